// Reading, mapping, locking and appending to files. All errors are Error(kFileError) with the path
// and errno's text; on a full disk also the bytes needed and free.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "base/files/descriptor.h"

namespace sdxl {

namespace fs = std::filesystem;

/// The whole file; Error(kFileError) if it has more than `limit` bytes.
std::string read_file(const fs::path& path, uint64_t limit = uint64_t{1} << 32);

/// Creates a directory and its parents; fails if a file is in the way.
void make_directories(const fs::path& path);

/// Copies the regular files of `from`, without its folders, to `to`, which is created if missing.
void copy_files(const fs::path& from, const fs::path& to);

/// A file mapped read-only. The bytes stay valid while the object lives.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// An advisory lock (flock) on a file, held while the object lives.
class FileLock {
 public:
  /// An exclusive lock; null if another process holds one of either kind.
  static std::unique_ptr<FileLock> try_acquire(const fs::path& path);
  /// Waits for an exclusive lock; Interrupted if a stop is requested meanwhile.
  static std::unique_ptr<FileLock> acquire(const fs::path& path);
  /// A shared lock; null if another process holds an exclusive one.
  static std::unique_ptr<FileLock> try_share(const fs::path& path);

 private:
  static std::unique_ptr<FileLock> try_lock(const fs::path& path, int operation);
  explicit FileLock(const fs::path& path);
  Descriptor descriptor_;
};

/// Appends whole lines to a file, each by one write(2). A kill leaves at most one torn line, which
/// the next writer ends with a newline.
class LineWriter {
 public:
  explicit LineWriter(const fs::path& path);
  void line(std::string_view text);  ///< Adds the newline.

 private:
  fs::path path_;
  Descriptor descriptor_;
};

/// $XDG_CACHE_HOME/sdxl, or ~/.cache/sdxl if that is unset or relative.
fs::path user_cache_directory();

}  // namespace sdxl
