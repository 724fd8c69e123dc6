// Saves checkpoints so that a full disk does not lose a run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "training/run/checkpoint.h"

namespace sdxl {

class CheckpointSaver {
 public:
  /// Fills a checkpoint's directory.
  using Write = std::function<void(const std::filesystem::path& directory)>;

  /// `store` outlives the object. `rescue_dir` is --rescue_dir, which is made when it is needed.
  CheckpointSaver(CheckpointStore& store, std::optional<std::filesystem::path> rescue_dir);

  /// Saves into the store or, if that fails for want of room, into the rescue directory. Returns
  /// the checkpoint's path. `bytes` is its expected size.
  std::filesystem::path save(int64_t step, uint64_t bytes, const Write& write);
  /// The same for a state that would be lost otherwise: if there is no room anywhere, removes as
  /// many of the store's checkpoints as make room, the oldest first. Error(kFileError), with all of
  /// them in place, if that is not enough either.
  std::filesystem::path save_at_any_cost(int64_t step, uint64_t bytes, const Write& write);

 private:
  bool make_room(uint64_t bytes) const;

  CheckpointStore& store_;
  std::optional<std::filesystem::path> rescue_dir_;
};

}  // namespace sdxl
