// Files and directories: reading whole, publishing by rename, locking, mapping. All errors are
// Error(kFileError) that name the path and errno's text; a full disk says how much was needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace sdxl {

namespace fs = std::filesystem;

/// The whole file; Error(kFileError) past `limit` bytes.
std::string read_file(const fs::path& path, uint64_t limit = uint64_t{1} << 32);

/// Creates or replaces `path` so that a reader sees the old content or the new, never a part:
/// a temporary file beside it, fsync, rename, fsync of the directory.
void write_file_atomically(const fs::path& path, std::string_view bytes);

/// A file being written under a temporary name beside `path` (`.tmp-…`); commit() publishes it, the
/// destructor removes it if that was not called.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Says how much will be written in all, so that a disk without the room is refused at once.
  void expect(uint64_t bytes);
  void write(const void* data, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  /// fsync, close, rename, fsync of the directory. Fails if `path` exists and `replace` is false.
  void commit(bool replace = true);
  const fs::path& path() const { return path_; }

 private:
  fs::path path_, temporary_;
  int descriptor_ = -1;
  uint64_t expected_ = 0, written_ = 0;
};

/// A directory being filled under a temporary name beside `path` (`.tmp-…`); commit() syncs every
/// file, then renames. The destructor removes it if that was not called.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(fs::path path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  const fs::path& working_path() const { return working_; }
  /// Fails if `path` exists and `replace` is false; else an old directory makes way in one
  /// exchange.
  void commit(bool replace = false);

 private:
  fs::path path_, working_;
};

/// Removes `.tmp-*` left in `directory` by processes of this host that are gone.
void remove_stale_temporaries(const fs::path& directory);

/// Error(kFileError) unless the file system of `directory` has this much room.
void require_free_space(const fs::path& directory, uint64_t bytes);

/// Creates a directory and its parents; Error when a file is in the way. (Not create_directories,
/// which argument-dependent lookup would confuse with std::filesystem's.)
void make_directories(const fs::path& path);

/// Copies the files of a folder, but no folders in it, to `to`, which is made where it is missing.
void copy_files(const fs::path& from, const fs::path& to);

/// A file mapped read-only. The bytes stay valid as long as the object lives.
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

/// An exclusive lock (flock) on a file, held while the object lives. Null if another process has
/// it.
class FileLock {
 public:
  static std::unique_ptr<FileLock> try_acquire(const fs::path& path);
  /// Waits; Interrupted if a stop is requested meanwhile.
  static std::unique_ptr<FileLock> acquire(const fs::path& path);
  /// A lock that others may share, and that keeps exclusive ones away. Null if there is one.
  static std::unique_ptr<FileLock> try_share(const fs::path& path);
  ~FileLock();

 private:
  explicit FileLock(int descriptor) : descriptor_(descriptor) {}
  static std::unique_ptr<FileLock> try_lock(const fs::path& path, int operation);
  int descriptor_;
};

/// Appends whole lines to a file, each by one write(2), so that a kill leaves at most one torn
/// line, which the next writer closes.
class LineWriter {
 public:
  explicit LineWriter(const fs::path& path);
  ~LineWriter();
  void line(std::string_view text);  ///< Adds the newline.

 private:
  fs::path path_;
  int descriptor_;
};

/// $XDG_CACHE_HOME/sdxl, else ~/.cache/sdxl.
fs::path user_cache_directory();

}  // namespace sdxl
