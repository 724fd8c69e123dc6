// Reads members of a zip file (libzip).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

namespace sdxl {

/// Thread-safe. Stays open while the object lives.
class ZipArchive {
 public:
  /// Error(kBadData) names the file if it is not a zip file.
  explicit ZipArchive(std::filesystem::path path);
  ~ZipArchive();
  ZipArchive(const ZipArchive&) = delete;
  ZipArchive& operator=(const ZipArchive&) = delete;

  struct Member {
    std::string name;
    uint64_t index;  ///< For read() and state().
  };
  /// Calls `take` for every file in the archive, in its order; skips directories.
  void for_members(const std::function<void(const Member&)>& take) const;

  /// The size of a member in bytes, unpacked.
  uint64_t size(uint64_t index) const;
  /// The first `limit` bytes of a member, or all of them. Error(kBadData) if the member is damaged
  /// or encrypted.
  std::string read(uint64_t index, uint64_t limit) const;
  /// Changes whenever the member does: the archive's stamp and the member's place and CRC-32.
  std::string stamp(uint64_t index) const;

 private:
  struct Handles;
  class Borrowed;

  std::filesystem::path path_;
  std::string stamp_;
  std::unique_ptr<Handles> handles_;
};

}  // namespace sdxl
