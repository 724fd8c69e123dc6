// Kernels of our own, those of the CPU and those of a device's plugin, as operators with gradients.
// Their outputs are the same to the bit whether or not a gradient is wanted, as recomputing in the
// backward pass needs.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "kernels/group_norm_types.h"

namespace sdxl {

/// Whether the CPU's kernels take this tensor: float32 or bfloat16 on the CPU.
bool cpu_kernels_take(const at::Tensor& tensor);

/// Group normalisation of input + shift: input [B, C, H, W], shift [B, C] or undefined, weight and
/// bias [C] -> channels last. Nothing where no kernel takes the tensors: the caller computes with
/// ATen.
std::optional<at::Tensor> fused_group_norm(const at::Tensor& input, const at::Tensor& shift,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           const GroupNormOptions& options);

/// [.., 2 * D] = (values, gates) -> values * gelu(gates) [.., D]; nothing where no kernel takes it.
std::optional<at::Tensor> fused_geglu(const at::Tensor& values_and_gates);

/// A convolution of stride 1 that keeps the sides (1x1, or 3x3 with padding 1) of a tensor that
/// cpu_kernels_take(), for weights that are trained: their gradient is one matrix product.
at::Tensor cpu_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias);

/// winograd_conv2d() of tensors that winograd_takes(). What is not trained keeps no input.
at::Tensor winograd_conv2d_op(const at::Tensor& input, const at::Tensor& weight,
                              const at::Tensor& bias, const at::Tensor& residual = {});

/// cpu_attention() of tensors that cpu_attention_takes().
at::Tensor cpu_attention_op(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            int64_t heads);

}  // namespace sdxl
