// Kernels of our own for what is bound by memory on the CPU: each reads its input and writes its
// output once, where LibTorch needs a pass for each step. float32 and bfloat16, computed in
// float32.
#pragma once

#include <ATen/ATen.h>

#include "kernels/group_norm_types.h"

namespace sdxl {

/// Whether the kernels take this tensor: float32 or bfloat16 on the CPU.
bool cpu_kernels_take(const at::Tensor& tensor);

/// Normalises input + shift over groups of channels, then scales by weight and adds bias. input
/// [B, C, H, W], made channels last; shift [B, C] of the same dtype, or undefined; weight and bias
/// [C] of any floating dtype. The sums do not depend on the number of threads.
NormalisedMap group_norm_forward(const at::Tensor& input, const at::Tensor& shift,
                                 const at::Tensor& weight, const at::Tensor& bias,
                                 const GroupNormOptions& options);

GroupNormGradients group_norm_backward(const at::Tensor& output_gradient, const at::Tensor& input,
                                       const at::Tensor& shift, const at::Tensor& weight,
                                       const at::Tensor& bias, const at::Tensor& mean,
                                       const at::Tensor& rstd, const GroupNormOptions& options);

/// [.., 2 * D] = (values, gates), contiguous -> values * gelu(gates) [.., D]
at::Tensor geglu_forward(const at::Tensor& values_and_gates);
at::Tensor geglu_backward(const at::Tensor& output_gradient, const at::Tensor& values_and_gates);

/// The neighbourhoods of every cell, [B * H * W, C * 9] of input [B, C, H, W]: what a 3x3
/// convolution with padding 1 multiplies its weight with. Cells beyond the edges are zeros.
at::Tensor neighbourhoods(const at::Tensor& input);

}  // namespace sdxl
