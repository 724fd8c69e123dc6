// The files behind the options that name a model, adapters or a data set.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/infer_config.h"
#include "config/train_config.h"

namespace sdxl {

/// Where a run's inputs lie on this machine. The user's config keeps what was typed: these stand
/// beside it.
struct ResolvedInputs {
  /// The pipeline directory of --pretrained_model_name_or_path.
  std::filesystem::path model;
  /// --pretrained_vae_model_name_or_path, or the pipeline's own.
  std::filesystem::path vae;
  /// --unet; "" without it.
  std::filesystem::path unet;
  /// --lora in the order of the command line, or the one of --lora_weights.
  std::vector<std::filesystem::path> loras;
  /// --train_data_dir or --dataset_name; "" when drawing.
  std::filesystem::path dataset;
};

/// Fetches whatever a training run reads and the machine does not have. With `data_only` only what
/// the check of the data reads: tokenizers and the data set; `vae` and `loras` stay empty then.
ResolvedInputs resolve_inputs(const TrainConfig& config, bool data_only);
/// The same for drawing.
ResolvedInputs resolve_inputs(const InferConfig& config);

}  // namespace sdxl
