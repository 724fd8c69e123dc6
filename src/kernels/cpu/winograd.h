// 3x3 convolutions of stride 1 and padding 1 for CPUs with AVX-512 by Winograd's minimal filtering
// (Lavin and Gray 2016; winograd_transforms.h). Sums are in float32; the bits depend neither on the
// number of threads nor on the batch size.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// The outputs that one tile computes.
enum class WinogradTile {
  k2x2,  ///< 4/9 of the multiplications; in float32, errors no larger than a plain convolution's.
  k4x4,  ///< 1/4 of them, with errors some five times as large. In bfloat16 the same as k2x2.
};

/// Whether these kernels take a weight [out, in, 3, 3] and pay: a plain one of a dtype that
/// avx512_takes(), whose channels are multiples of 16, and at least 64 in bfloat16.
bool winograd_takes(const at::Tensor& weight);
/// The same for a weight with this input [B, in, H, W].
bool winograd_takes(const at::Tensor& input, const at::Tensor& weight);

/// conv2d(input, weight, bias, 1, 1) + residual -> [B, out, H, W], channels last; bias [out] and
/// residual [B, out, H, W] may be undefined.
at::Tensor winograd_conv2d(const at::Tensor& input, const at::Tensor& weight,
                           const at::Tensor& bias, const at::Tensor& residual = {},
                           WinogradTile tile = WinogradTile::k2x2);

/// winograd_conv2d()'s gradient with respect to the input, [B, in, H, W].
at::Tensor winograd_input_gradient(const at::Tensor& output_gradient, const at::Tensor& weight);

/// winograd_conv2d()'s gradient with respect to the weight, [out, in, 3, 3], contiguous.
at::Tensor winograd_weight_gradient(const at::Tensor& output_gradient, const at::Tensor& input);

}  // namespace sdxl
