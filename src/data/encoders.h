// The encoders as the data pipeline sees them: functions from pictures and captions to tensors.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>
#include <vector>

#include "data/prompt_embeds.h"

namespace sdxl {

/// Pixels [B, 3, H, W] float32 in [-1, 1] on the CPU -> the VAE's moments [B, 2 * latent, h, w].
using EncodePictures = std::function<at::Tensor(const at::Tensor& pixels)>;
/// Captions -> embeddings of the batch.
using EncodeCaptions = std::function<PromptEmbeds(const std::vector<std::string>& captions)>;

}  // namespace sdxl
