// What base/'s file code shares: errno as Error(kFileError), a descriptor that closes itself.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace sdxl {

/// "cannot ACTION 'path': errno's text"; a full disk also says how much was needed and is free.
[[noreturn]] void throw_file_error(const char* action, const std::filesystem::path& path, int error,
                                   uint64_t needed = 0);

class Descriptor {
 public:
  /// open(2) with O_CLOEXEC; Error(kFileError) "cannot ACTION 'path'".
  Descriptor(const std::filesystem::path& path, int flags, const char* action,
             unsigned mode = 0666);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// Writes all bytes; on failure Error(kFileError), `needed` as in throw_file_error.
void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path,
               uint64_t needed);

/// fsync of a file or directory by descriptor; file systems that know none are left alone.
void sync_descriptor(int descriptor, const std::filesystem::path& path);
void sync_path(const std::filesystem::path& path);

/// The directory that holds `path`; "." for a bare name.
std::filesystem::path directory_of(const std::filesystem::path& path);

}  // namespace sdxl
