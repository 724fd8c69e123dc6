// Convolution by a weight that is not trained.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// conv2d that keeps neither the input nor anything of its size for the backward pass. ATen's keeps
/// the input even if the weight needs no gradient. input [B, in, H, W], weight [out, in, k, k],
/// bias [out] -> [B, out, H', W']; `weight` and `bias` get no gradients.
at::Tensor frozen_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         int64_t stride, int64_t padding);

}  // namespace sdxl
