// Finds the weights that an infer run draws with: the model's, or every checkpoint in a directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "commands/inputs/resolved_inputs.h"
#include "config/infer_config.h"

namespace sdxl {

/// A UNet directory ("" for the pipeline's) and LoRA files with their scales.
struct WeightSet {
  /// "checkpoint-500", "final" or "base", after "RUN/" if --checkpoints is repeated; "" without it.
  std::string label;
  std::filesystem::path unet;
  std::vector<std::pair<std::filesystem::path, double>> loras;

  std::string fingerprint;       ///< weights_fingerprint() of all its files.
  std::optional<Error> problem;  ///< Why it cannot be used.

  /// The folder of its pictures below --output_dir.
  std::string folder() const { return label; }
};

/// One set without --checkpoints. With it, in this order: the base with --include_base, each
/// checkpoint-N that holds unet/ (unet_ema/ with --use_ema) or LoRA weights by its N, the run's
/// final weights. A checkpoint that holds neither, or cannot be read, gets a `problem`;
/// Error(kBadData) if all have one.
std::vector<WeightSet> find_weight_sets(const InferConfig& config, const ResolvedInputs& inputs);

}  // namespace sdxl
