// Group normalisation with an optional shift and SiLU for the CPU. Each pass reads its input and
// writes its output once, where LibTorch needs a pass for each step. Takes float32 and bfloat16,
// computes in float32.
#pragma once

#include <ATen/ATen.h>

#include "kernels/group_norm_types.h"

namespace sdxl {

/// Normalises input + shift over groups of channels, then scales by weight and adds bias. input
/// [B, C, H, W], made channels last; shift [B, C] of the same dtype, or undefined; weight and bias
/// [C] of any floating dtype. The sums do not depend on the number of threads.
NormalisedMap group_norm_forward(const at::Tensor& input, const at::Tensor& shift,
                                 const at::Tensor& weight, const at::Tensor& bias,
                                 const GroupNormOptions& options);

/// The gradients of group_norm_forward(); `mean` and `rstd` are its results.
GroupNormGradients group_norm_backward(const at::Tensor& output_gradient, const at::Tensor& input,
                                       const at::Tensor& shift, const at::Tensor& weight,
                                       const at::Tensor& bias, const at::Tensor& mean,
                                       const at::Tensor& rstd, const GroupNormOptions& options);

}  // namespace sdxl
