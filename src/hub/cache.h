// The Hub's cache on disk, shared with Python's huggingface_hub (layout of version 1.33):
//
//   models--owner--name/  (or datasets--…)
//     blobs/ETAG                   contents, named by their hash
//     refs/main                    the commit of a branch: 40 digits without a newline
//     snapshots/COMMIT/PATH        -> ../../blobs/ETAG
//     trees/COMMIT.json            the list of all files of a commit
//   .locks/models--owner--name/ETAG.lock
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files/files.h"
#include "hub/api.h"
#include "hub/names.h"

namespace sdxl {

class RepositoryCache {
 public:
  RepositoryCache(RepositoryKind kind, const std::string& id, const HubOptions& options);

  const fs::path& folder() const { return folder_; }
  fs::path snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }
  fs::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }

  /// The commit of a revision when it was last requested; nothing if it never was.
  std::optional<std::string> commit_of(const std::string& revision) const;
  /// Stores it. Only warns if the cache cannot be written.
  void remember_commit(const std::string& revision, const std::string& commit) const;

  /// The files of a commit; nothing if they are not stored or cannot be parsed.
  std::optional<std::vector<RepositoryFile>> read_tree(const std::string& commit) const;
  void write_tree(const std::string& commit, const std::vector<RepositoryFile>& files) const;

  /// Whether the snapshot has the file with the right size.
  bool has_file(const std::string& commit, const RepositoryFile& file) const;
  bool has_blob(const RepositoryFile& file) const;
  /// Adds the blob to the snapshot as a symbolic link, or else a hard link or a copy.
  void link_blob(const std::string& commit, const RepositoryFile& file) const;

  /// Waits for the lock on a blob that all programs with this cache respect.
  std::unique_ptr<FileLock> lock(const std::string& etag) const;
  /// Creates the folders and CACHEDIR.TAG.
  void prepare() const;

 private:
  fs::path root_, folder_, locks_;
  bool symlinks_;
};

}  // namespace sdxl
