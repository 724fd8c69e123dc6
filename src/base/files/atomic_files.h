// Files and directories that are written under a temporary name (`.tmp-…`) and published by
// rename, so that a reader or a crash never meets half of one. Errors are Error(kFileError).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

namespace sdxl {

namespace fs = std::filesystem;

/// Creates or replaces `path`; a reader sees the old content or the new. Writes a temporary file
/// beside it, syncs it, renames it and syncs the directory.
void write_file_atomically(const fs::path& path, std::string_view bytes);

/// A file written piece by piece under a temporary name beside `path`. commit() publishes it;
/// without a commit the destructor removes it.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view bytes) { write(bytes.data(), bytes.size()); }
  /// Syncs, closes and renames the file. Fails if `path` exists and `replace` is false.
  void commit(bool replace = true);
  const fs::path& path() const { return path_; }

 private:
  fs::path path_, temporary_;
  int descriptor_ = -1;
  uint64_t written_ = 0;
};

/// A directory filled under a temporary name beside `path`. commit() publishes it; without a commit
/// the destructor removes it.
class AtomicDirectory {
 public:
  explicit AtomicDirectory(fs::path path);
  ~AtomicDirectory();
  AtomicDirectory(const AtomicDirectory&) = delete;
  AtomicDirectory& operator=(const AtomicDirectory&) = delete;

  /// Where the caller puts the files.
  const fs::path& working_path() const { return working_; }
  /// Syncs every file and renames the directory. If `path` exists, it is exchanged for the new one
  /// and removed, or with `replace` false the commit fails.
  void commit(bool replace = false);

 private:
  fs::path path_, working_;
};

/// Removes the `.tmp-*` entries that dead processes of this host left in `directory`.
void remove_stale_temporaries(const fs::path& directory);

}  // namespace sdxl
