// Checkpoints of a run: directories checkpoint-N that are complete whenever they exist.
//
// One is filled under a temporary name; its manifest.json (name, size and SHA-256 of every file) is
// written last, everything is synced, the directory is renamed, and only then old ones are removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/json.h"

namespace sdxl {

struct Checkpoint {
  std::filesystem::path path;
  int64_t step = 0;
};

class CheckpointStore {
 public:
  /// `total_limit`: how many to keep; none keeps all.
  CheckpointStore(std::filesystem::path output_dir, std::optional<int64_t> total_limit);

  /// The complete ones, ascending by step. Directories without a whole manifest are passed over.
  std::vector<Checkpoint> list() const;
  /// From --resume_from_checkpoint: "latest" gives the last complete one, or none where there is
  /// none yet; else a path, or a name in the output directory. Error(kUsage) when that is not
  /// there, Error(kBadData) when it is not complete.
  std::optional<Checkpoint> find(const std::string& which) const;

  /// Publishes checkpoint-`step`, which `write` fills; replaces one of the same step. Then prunes.
  /// Error(kFileError), with everything as it was, when the disk lacks room for `expected_bytes` or
  /// fails.
  void save(int64_t step, uint64_t expected_bytes,
            const std::function<void(const std::filesystem::path& directory)>& write);
  /// The checkpoint of this step is never pruned.
  void protect(int64_t step) { protected_step_ = step; }
  /// Removes what is past the limit, the oldest first; that of step `newest` counts as the newest.
  void prune(int64_t newest) const;
  /// Removes all of them.
  void clear();

 private:
  std::filesystem::path output_dir_;
  std::optional<int64_t> total_limit_, protected_step_;
};

/// Whether `directory` has a manifest and every file in it has the manifest's size.
bool is_complete_checkpoint(const std::filesystem::path& directory);

/// Error(kBadData) naming the first file whose SHA-256 is not the manifest's.
void verify_checkpoint(const std::filesystem::path& directory);

/// Creates the directory and takes its lock for the life of the result; Error(kUsage) when another
/// run has it. Removes temporaries that dead processes left.
std::unique_ptr<FileLock> lock_output_directory(const std::filesystem::path& directory);

}  // namespace sdxl
