// What a checkpoint of a training run holds, and taking it back.
#pragma once

#include <filesystem>
#include <vector>

#include "base/json.h"
#include "commands/run_directory.h"
#include "training/ema.h"
#include "training/trainer.h"

namespace sdxl {

/// The parts of a run that change while it trains. `ema` may be null.
struct TrainingState {
  Trainable& trainable;
  Optimizer& optimizer;
  Trainer& trainer;
  Ema* ema;

  /// The trained tensors, detached.
  std::vector<at::Tensor> values() const;
  /// What a checkpoint takes on disk, roughly.
  uint64_t bytes() const;
  /// Fills a checkpoint's directory.
  void save(const std::filesystem::path& directory, const Json& options) const;
  /// Takes back all but the trained tensors from the checkpoint that `from` resumes.
  void load(const RunDirectory& from);
};

}  // namespace sdxl
