// Convolution by a weight that is not trained.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// conv2d whose graph keeps neither the input nor anything of its size: ATen's keeps the input for
/// the weight's gradient even where there is to be none. `weight` and `bias` get no gradients.
at::Tensor frozen_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         int64_t stride, int64_t padding);

}  // namespace sdxl
