// The weights that an infer run draws with, one after the other: the base, a UNet of its own, or
// every checkpoint in a directory.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "commands/inputs/resolved_inputs.h"
#include "config/infer_config.h"

namespace sdxl {

/// One set: a UNet directory ("" for the pipeline's own) and LoRA files with their scales.
struct WeightSet {
  /// "checkpoint-500", "final", "base"; "" for a run without --checkpoints. With several of them
  /// "RUN/checkpoint-500".
  std::string label;
  std::filesystem::path unet;
  std::vector<std::pair<std::filesystem::path, double>> loras;

  std::string fingerprint;       ///< weights_fingerprint() of all that it names.
  std::optional<Error> problem;  ///< Why this checkpoint cannot be drawn with.

  /// The folder of its pictures below --output_dir.
  std::string folder() const { return label; }
};

/// A short hash of what a weight file, or the weight files of a directory, hold: names, sizes,
/// headers and a sample of the data. It tells a retrained checkpoint from the one that was there
/// before.
std::string weights_fingerprint(const std::filesystem::path& path);

/// One set without --checkpoints. With it, in this order: the base with --include_base, each
/// checkpoint-N that holds unet/ (unet_ema/ with --use_ema) or LoRA weights by its N, the run's
/// final weights. A checkpoint that holds neither, or cannot be read, gets a `problem`;
/// Error(kBadData) if all have one.
std::vector<WeightSet> find_weight_sets(const InferConfig& config, const ResolvedInputs& inputs);

}  // namespace sdxl
