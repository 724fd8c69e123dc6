// The names of SDXL's original code (sgm), which single-file checkpoints and kohya's LoRA files
// use, for the UNet's modules.
#pragma once

#include <string>

#include "models/unet_2d_condition.h"

namespace sdxl {

/// "down_blocks.1.attentions.0.proj_in" -> "input_blocks.4.1.proj_in", without the prefix
/// "model.diffusion_model."; works for modules and for parameters. "" for a name the UNet does not
/// have.
std::string original_unet_name(const std::string& name, const UNet2DConditionConfig& config);

}  // namespace sdxl
