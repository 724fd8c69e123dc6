// The values that every part of a training run is built from.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "commands/inputs/resolved_inputs.h"
#include "config/train_config.h"
#include "distributed/ranks.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

struct TrainingContext {
  const TrainConfig& config;
  const ResolvedInputs& inputs;
  const PipelineDirectory& pipeline;
  at::Device device;
  at::ScalarType dtype;  ///< Of the frozen parts' arithmetic.
  uint64_t seed;
  Ranks& ranks;

  /// --learning_rate; with --scale_lr times the samples of a step.
  double peak_learning_rate() const;
  std::string variant() const { return config.variant.value_or(""); }
  /// --embedding_cache_dir, or the default below the user's cache directory.
  std::filesystem::path cache_directory() const;
};

}  // namespace sdxl
