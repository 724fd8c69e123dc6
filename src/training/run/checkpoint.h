// Checkpoints of a run: directories that are complete whenever they have their final name.
//
// A checkpoint is written under a temporary name, its manifest.json (name, size and SHA-256 of
// every file) last. Then all files are synced, the directory is renamed and old checkpoints are
// removed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/files/files.h"
#include "base/json.h"

namespace sdxl {

struct Checkpoint {
  std::filesystem::path path;
  int64_t step = 0;
  /// A training script of diffusers wrote it: its weights can be read, its state is in pickles.
  bool is_foreign = false;
};

class CheckpointStore {
 public:
  /// Keeps at most `total_limit` checkpoints; nothing keeps all.
  CheckpointStore(std::filesystem::path output_dir, std::optional<int64_t> total_limit);

  /// The complete checkpoints, ascending by step. Warns of incomplete ones and skips them.
  std::vector<Checkpoint> list() const;
  /// The checkpoint that --resume_from_checkpoint names: the last complete one for "latest"
  /// (nothing if there is none yet), or a path, or a name in the output directory, which may also
  /// be a checkpoint of diffusers' scripts. Error(kUsage) if it does not exist, Error(kBadData) if
  /// it is incomplete.
  std::optional<Checkpoint> find(const std::string& which) const;

  /// Publishes the checkpoint of `step`, whose directory `write` fills, in place of an earlier one
  /// of this step that sdxl wrote, and returns its path. Then prunes. Error(kFileError), with
  /// nothing changed, if the disk fails or has no room for `expected_bytes`, or if another program
  /// wrote what is there.
  std::filesystem::path save(
      int64_t step, uint64_t expected_bytes,
      const std::function<void(const std::filesystem::path& directory)>& write);
  /// Removes a checkpoint; a kill leaves it whole or gone.
  void remove(const Checkpoint& checkpoint) const;
  const std::filesystem::path& directory() const { return output_dir_; }
  /// Exempts the checkpoint of this step from pruning.
  void protect(int64_t step) { protected_step_ = step; }
  /// Removes the oldest checkpoints beyond the limit. The one of step `newest` counts as the
  /// newest.
  void prune(int64_t newest) const;
  /// Removes all checkpoints that sdxl wrote.
  void clear();

 private:
  std::filesystem::path output_dir_;
  std::optional<int64_t> total_limit_, protected_step_;
};

/// The room that a checkpoint of `expected_bytes` needs on its disk.
uint64_t needed_for(uint64_t expected_bytes);

/// Whether a training script of diffusers wrote the checkpoint `directory`, through accelerate.
bool is_checkpoint_of_accelerate(const std::filesystem::path& directory);

/// Whether `directory` has a manifest, complete or not: only then sdxl wrote it.
bool has_manifest(const std::filesystem::path& directory);

/// Whether `directory` has a manifest and every file in it has the manifest's size.
bool is_complete_checkpoint(const std::filesystem::path& directory);

/// Error(kBadData) names the first file whose SHA-256 differs from the manifest's.
void verify_checkpoint(const std::filesystem::path& directory);

/// Creates the directory, locks it for the lifetime of the result and removes temporary files of
/// dead processes. Error(kUsage) if another run holds the lock.
std::unique_ptr<FileLock> lock_output_directory(const std::filesystem::path& directory);

}  // namespace sdxl
