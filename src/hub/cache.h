// The Hub's cache on disk, in the layout of Python's huggingface_hub 1.33, which reads what is
// written here and the other way round:
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

#include "base/files.h"
#include "hub/api.h"
#include "hub/names.h"

namespace sdxl {

class RepositoryCache {
 public:
  RepositoryCache(RepositoryKind kind, const std::string& id, const HubOptions& options);

  const fs::path& folder() const { return folder_; }
  fs::path snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }
  fs::path blob(const std::string& etag) const { return folder_ / "blobs" / etag; }

  /// The commit that a revision was when it was last asked for; none if it never was.
  std::optional<std::string> commit_of(const std::string& revision) const;
  /// Remembers it. A cache that cannot be written is left as it is.
  void remember_commit(const std::string& revision, const std::string& commit) const;

  /// The list of files of a commit; none if it is not there or not understood.
  std::optional<std::vector<RepositoryFile>> read_tree(const std::string& commit) const;
  void write_tree(const std::string& commit, const std::vector<RepositoryFile>& files) const;

  /// Whether the snapshot has the file, with its size.
  bool has_file(const std::string& commit, const RepositoryFile& file) const;
  bool has_blob(const RepositoryFile& file) const;
  /// Puts the blob into the snapshot: as a symbolic link, else a hard link, else a copy.
  void link_blob(const std::string& commit, const RepositoryFile& file) const;

  /// Waits for the lock on a blob that all programs with this cache use.
  std::unique_ptr<FileLock> lock(const std::string& etag) const;
  /// Makes the folders, and marks the cache for backup programs.
  void prepare() const;

 private:
  fs::path root_, folder_, locks_;
  bool symlinks_;
};

}  // namespace sdxl
