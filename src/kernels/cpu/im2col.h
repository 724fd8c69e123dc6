// The matrix form of a 3x3 convolution's input.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Returns the 3x3 patch around every cell, [B * H * W, C * 9] of input [B, C, H, W]: a 3x3
/// convolution with padding 1 is its product with the weight. Cells beyond the edges are zeros.
/// Takes float32 and bfloat16.
at::Tensor im2col_3x3(const at::Tensor& input);

}  // namespace sdxl
