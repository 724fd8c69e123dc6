// What a checkpoint of a training run holds, and taking it back.
#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"
#include "commands/train/output_directory.h"
#include "training/ema.h"
#include "training/trainer.h"

namespace sdxl {

/// The parts of a run that change while it trains. `ema` may be null.
struct TrainingState {
  Trainable& trainable;
  Optimizer& optimizer;
  Trainer& trainer;
  Ema* ema;
  Ranks& ranks;
  OptimizerShards* shards;  ///< Null where every rank has everything.

  /// The trained tensors, detached. With shards collective, and undefined but on the first rank.
  std::vector<at::Tensor> values() const;
  /// Those of the moving average, likewise.
  std::vector<at::Tensor> averages() const;
  /// What a checkpoint takes on disk, roughly.
  uint64_t bytes() const;
  /// Saves a checkpoint of step `step`, which the first rank writes. Collective.
  void save(CheckpointStore& store, int64_t step, const Json& options) const;
  /// Takes back all but the trained tensors from the checkpoint that `from` resumes.
  void load(const RunDirectory& from);

 private:
  void write(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
             const std::vector<at::Tensor>& averages, const Json& options) const;
};

}  // namespace sdxl
