// Memory format of feature maps, and conversion to tokens and back.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// [B, C, H, W] in the memory format that its device's convolutions prefer. With channels last a
/// feature map is also a list of tokens without a copy.
at::Tensor in_activation_layout(const at::Tensor& feature_map);

/// [B, C, H, W] -> [B, H * W, C], a view where channels are last.
at::Tensor tokens_of(const at::Tensor& feature_map);
/// [B, H * W, C] -> [B, C, H, W], a view with channels last.
at::Tensor feature_map_of(const at::Tensor& tokens, int64_t height, int64_t width);

}  // namespace sdxl
