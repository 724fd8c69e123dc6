// Weights of linear layers and convolutions packed once in oneDNN's blocked layout instead of at
// every call. For inference on the CPU.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

struct ConvGeometry {
  int64_t stride = 1, padding = 0;
};

/// Packs a plain weight [out, in] or [out, in, k, k]; shape and dtype stay. Returns `weight` itself
/// if packing does not pay on this processor. Packed weights have no gradients.
at::Tensor packed_linear_weight(const at::Tensor& weight);
at::Tensor packed_conv_weight(const at::Tensor& weight, const ConvGeometry& geometry);

inline bool is_packed(const at::Tensor& weight) { return weight.is_mkldnn(); }
/// Returns the plain tensor of a packed weight, bit-identical; other tensors unchanged.
at::Tensor unpacked(const at::Tensor& weight);

/// input [.., in] -> [.., out], plus `residual` [.., out] if it is defined.
at::Tensor packed_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const at::Tensor& residual = {});

/// input [B, in, H, W] -> [B, out, H', W'], plus `residual` if it is defined.
at::Tensor packed_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const ConvGeometry& geometry, const at::Tensor& residual = {});

}  // namespace sdxl
