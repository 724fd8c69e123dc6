// The kernels of the CPU as operators with gradients. Their outputs are the same to the bit whether
// or not a gradient is wanted, as recomputing in the backward pass needs.
#pragma once

#include <ATen/ATen.h>

#include "models/cpu_kernels.h"

namespace sdxl {

/// group_norm_forward() of a tensor that cpu_kernels_take().
at::Tensor cpu_group_norm(const at::Tensor& input, const at::Tensor& shift,
                          const at::Tensor& weight, const at::Tensor& bias,
                          const GroupNormOptions& options);

/// geglu_forward() of a tensor that cpu_kernels_take().
at::Tensor cpu_geglu(const at::Tensor& values_and_gates);

/// A convolution of stride 1 that keeps the sides (1x1, or 3x3 with padding 1) of a tensor that
/// cpu_kernels_take(), for weights that are trained: their gradient is one matrix product.
at::Tensor cpu_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias);

/// cpu_attention() of tensors that cpu_attention_takes().
at::Tensor cpu_attention_op(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            int64_t heads);

}  // namespace sdxl
