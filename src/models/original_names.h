// Parameter names of SDXL's original code (sgm), as in single-file checkpoints and kohya's LoRA
// files.
#pragma once

#include <string>

#include "io/tensor_view.h"
#include "models/autoencoder_kl.h"
#include "models/clip_text_model.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// "down_blocks.1.attentions.0.proj_in" -> "input_blocks.4.1.proj_in", for modules and parameters,
/// without the prefix "model.diffusion_model."; "" for a name that no UNet has.
std::string original_unet_name(const std::string& name, const UNet2DConditionConfig& config);

/// The prefixes of each part's parameters in single-file checkpoints. The second text encoder is
/// OpenCLIP's: query, key and value in one matrix, the projection transposed.
inline constexpr const char* kOriginalUNet = "model.diffusion_model.";
inline constexpr const char* kOriginalVae = "first_stage_model.";
inline constexpr const char* kOriginalTextEncoder = "conditioner.embedders.0.transformer.";
inline constexpr const char* kOriginalTextEncoder2 = "conditioner.embedders.1.model.";

/// Where single-file checkpoints keep each parameter of a part, below `prefix`.
TensorParts original_unet_parts(const UNet2DConditionModel& unet, const std::string& prefix);
TensorParts original_vae_parts(const AutoencoderKL& vae, const std::string& prefix);
/// For the first text encoder.
TensorParts original_text_encoder_parts(const CLIPTextModel& model, const std::string& prefix);
/// For the second text encoder.
TensorParts original_text_encoder_2_parts(const CLIPTextModel& model, const std::string& prefix);

}  // namespace sdxl
