// Weights of linear layers and convolutions in the order in which oneDNN multiplies them, laid out
// once instead of at every call. For models that only infer, on the CPU.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Where a convolution's kernel goes.
struct ConvGeometry {
  int64_t stride = 1, padding = 0;
};

/// A plain weight [out, in] or [out, in, k, k] packed, of the same shape and dtype; itself where
/// that does not pay on this processor. Gradients do not flow through packed weights.
at::Tensor packed_linear_weight(const at::Tensor& weight);
at::Tensor packed_conv_weight(const at::Tensor& weight, const ConvGeometry& geometry);

inline bool is_packed(const at::Tensor& weight) { return weight.is_mkldnn(); }
/// The plain tensor of a packed weight, the same to the bit; any other is given back as it is.
at::Tensor unpacked(const at::Tensor& weight);

/// input [.., in] -> [.., out], plus `residual` [.., out] if it is defined.
at::Tensor packed_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const at::Tensor& residual = {});

/// input [B, in, H, W] -> [B, out, H', W'], plus `residual` if it is defined.
at::Tensor packed_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const ConvGeometry& geometry, const at::Tensor& residual = {});

}  // namespace sdxl
