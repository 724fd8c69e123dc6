// This program's kernels for the CPU and for devices' plugins as differentiable operators. Outputs
// are bit-identical with and without gradients, as gradient checkpointing requires.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "kernels/group_norm_types.h"

namespace sdxl {

/// Whether the CPU's kernels take this tensor: float32 or bfloat16 on the CPU.
bool cpu_kernels_take(const at::Tensor& tensor);

/// Group normalisation of input + shift: input [B, C, H, W], shift [B, C] or undefined, weight and
/// bias [C] -> [B, C, H, W], channels last. nullopt if no kernel takes the tensors; then use ATen.
std::optional<at::Tensor> fused_group_norm(const at::Tensor& input, const at::Tensor& shift,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           const GroupNormOptions& options);

/// [.., 2 * D] = (values, gates) -> values * gelu(gates) [.., D]; nullopt if no kernel takes it.
std::optional<at::Tensor> fused_geglu(const at::Tensor& values_and_gates);

/// A convolution of stride 1 that keeps the sides (1x1, or 3x3 with padding 1), for weights that
/// are trained: their gradient is one matrix product. `input` must be one that cpu_kernels_take().
at::Tensor cpu_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias);

/// winograd_conv2d() (cpu/winograd.h) with gradients. Keeps the input only if the weight is
/// trained.
at::Tensor winograd_conv2d_op(const at::Tensor& input, const at::Tensor& weight,
                              const at::Tensor& bias, const at::Tensor& residual = {});

/// cpu_attention() (cpu/attention.h) with gradients.
at::Tensor cpu_attention_op(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            int64_t heads);

}  // namespace sdxl
