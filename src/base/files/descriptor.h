// POSIX file descriptors: opening, writing and syncing, with errno turned into Error(kFileError).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

namespace sdxl {

/// Throws Error(kFileError) "cannot ACTION 'PATH': errno's text". For a full disk the message adds
/// how many bytes were needed (`needed`, if not 0) and how many are free.
[[noreturn]] void throw_file_error(const char* action, const std::filesystem::path& path, int error,
                                   uint64_t needed = 0);

/// An open file, closed by the destructor.
class Descriptor {
 public:
  /// open(2) with O_CLOEXEC added to `flags`; Error(kFileError) "cannot ACTION 'PATH'".
  Descriptor(const std::filesystem::path& path, int flags, const char* action,
             unsigned mode = 0666);
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }
  /// Gives the descriptor to the caller, who closes it.
  int release() { return std::exchange(value_, -1); }

 private:
  int value_;
};

/// Writes all of `bytes`. Error(kFileError) names `path`; `needed` as in throw_file_error.
void write_all(int descriptor, std::string_view bytes, const std::filesystem::path& path,
               uint64_t needed);

/// fsync(2) of a file or directory. Does nothing on file systems that don't support it.
void sync_descriptor(int descriptor, const std::filesystem::path& path);
void sync_path(const std::filesystem::path& path);

/// The directory that holds `path`; "." for a bare name.
std::filesystem::path directory_of(const std::filesystem::path& path);

/// Bytes that this user may write on the file system of `path` or, if it does not exist, of its
/// nearest parent that does. Nothing if the system does not say.
std::optional<uint64_t> free_bytes(std::filesystem::path path);

/// Error(kFileError) unless the file system of `directory` has `bytes` free for this user.
void require_free_space(const std::filesystem::path& directory, uint64_t bytes);

}  // namespace sdxl
