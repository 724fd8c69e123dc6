// LoRA files of every common naming, read into one form and written in diffusers' and kohya's.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lora/layer_names.h"

namespace sdxl {

/// The adapter of one layer: W + scale * (alpha / rank) * up @ down (Hu et al. 2021).
struct LoraLayer {
  at::Tensor down;       ///< [r, in], for convolutions [r, in, k, k]
  at::Tensor up;         ///< [out, r], for convolutions [out, r, 1, 1]
  double alpha = 0;      ///< The rank where the file says nothing.
  at::Tensor magnitude;  ///< [out], with DoRA (Liu et al. 2024) only: the length of each row.

  int64_t rank() const { return down.size(0); }
};

/// The key of safetensors metadata under which diffusers keeps LoRA configs.
inline constexpr const char* kLoraMetadataKey = "lora_adapter_metadata";

struct LoraWeights {
  std::map<LayerName, LoraLayer> layers;
  std::vector<std::string> unmatched;  ///< Tensors that name no layer of the pipeline.
  std::string source;

  bool adapts(const std::string& component) const;
};

/// A file, or a directory that holds pytorch_lora_weights.safetensors,
/// paddle_lora_weights.safetensors, adapter_model.safetensors or one .safetensors alone, or PEFT's
/// adapters of each part in a folder of its name (unet, text_encoder, text_encoder_2).
/// Error(kBadData) for a malformed or empty file, for shapes that do not fit together, for kinds of
/// adapters that are none of LoRA or DoRA.
LoraWeights read_lora(const std::filesystem::path& path, const LayerNames& names);

/// The files that read_lora would read.
std::vector<std::filesystem::path> find_lora_files(const std::filesystem::path& path);

/// Error(kBadData) that lists them if any tensor of `weights` matched nothing, and ends with
/// `remedy`.
void require_all_matched(const LoraWeights& weights,
                         const std::string& remedy = "--lora_allow_unmatched goes on without them");

/// As diffusers' save_lora_weights writes, with rank and alpha in the metadata where diffusers
/// reads them.
void write_diffusers_lora(const std::filesystem::path& file, const LoraWeights& weights);
/// As PEFT writes adapters of a model: a folder for each part with adapter_model.safetensors and
/// adapter_config.json. `directory` is replaced.
void write_peft_lora(const std::filesystem::path& directory, const LoraWeights& weights);
/// As kohya's scripts write and web UIs read: original numbering, alpha tensors.
void write_kohya_lora(const std::filesystem::path& file, const LoraWeights& weights,
                      const UNet2DConditionConfig& unet);

}  // namespace sdxl
