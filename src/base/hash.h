// SHA-256 and SHA-1, by OpenSSL.
#pragma once

#include <array>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace sdxl {

enum class HashKind { kSha1, kSha256 };

/// Hashes bytes that come in pieces.
class Hasher {
 public:
  explicit Hasher(HashKind kind = HashKind::kSha256);
  ~Hasher();
  Hasher& update(const void* data, size_t size);
  Hasher& update(std::string_view bytes) { return update(bytes.data(), bytes.size()); }
  std::string hex();  ///< Ends the hash; lower-case hexadecimal.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 in lower-case hexadecimal.
std::string sha256(std::string_view bytes);
std::string sha256_of_file(const std::filesystem::path& path);
/// SHA-256 as 32 bytes.
std::array<unsigned char, 32> sha256_digest(std::string_view bytes);

}  // namespace sdxl
