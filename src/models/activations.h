// How feature maps lie in memory, and the functions between layers.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// [B, C, H, W] in the layout that convolutions like best on its device. With channels last a
/// feature map is also a list of tokens without a copy.
at::Tensor in_activation_layout(const at::Tensor& feature_map);

/// [B, C, H, W] -> [B, H * W, C], a view where channels are last.
at::Tensor tokens_of(const at::Tensor& feature_map);
/// [B, H * W, C] -> [B, C, H, W], a view with channels last.
at::Tensor feature_map_of(const at::Tensor& tokens, int64_t height, int64_t width);

/// x * sigmoid(1.702 * x)
at::Tensor quick_gelu(const at::Tensor& x);

/// [.., 2 * D] = (values, gates) -> values * gelu(gates) [.., D]
at::Tensor geglu(const at::Tensor& values_and_gates);

}  // namespace sdxl
