// Saves and restores the state of a training run.
#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"
#include "commands/train/checkpoint_saver.h"
#include "commands/train/output_directory.h"
#include "training/ema.h"
#include "training/trainer.h"

namespace sdxl {

/// References to the parts of a run that change while it trains.
struct TrainingState {
  Trainable& trainable;
  Optimizer& optimizer;
  Trainer& trainer;
  Ema* ema;  ///< Null without --use_ema.
  Ranks& ranks;
  OptimizerShards* shards;  ///< Null where every rank has everything.

  /// The trained tensors, detached. With shards collective, and defined on the first rank only.
  std::vector<at::Tensor> values() const;
  /// The same for the moving average; empty without one.
  std::vector<at::Tensor> averages() const;
  /// Estimates a checkpoint's size on disk, in bytes.
  uint64_t bytes() const;
  /// Has `publish` save the checkpoint, on the first rank. Collective.
  void save(const std::function<void(const CheckpointSaver::Write&)>& publish,
            const Json& options) const;
  /// Writes a checkpoint's files into `directory`. For a rank by itself, without shards.
  void write(const std::filesystem::path& directory, const Json& options) const;
  /// Restores everything but the trained tensors from the checkpoint that `from` resumes. A
  /// checkpoint of diffusers' scripts gives steps and moving average only.
  void load(const RunDirectory& from);

 private:
  void load_foreign_average(const Checkpoint& from);
  void write_files(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
                   const std::vector<at::Tensor>& averages, const Json& options) const;
};

}  // namespace sdxl
