// Differentiable linear layers on the CPU by cpu_matmul: one node of the graph for a layer with its
// bias, residual and adapter.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Whether cpu_linear() takes these: a plain weight [out, in] of the input's dtype with sizes that
/// are multiples of 16.
bool cpu_linear_takes(const at::Tensor& input, const at::Tensor& weight);
/// Whether cpu_linear() takes these and is at least as fast as LibTorch, whose large products in
/// bfloat16 are faster by a tenth.
bool cpu_linear_pays(const at::Tensor& input, const at::Tensor& weight);

/// input [.., in] weight^T + bias + residual -> [.., out]; bias [out] and residual [.., out] may be
/// undefined.
at::Tensor cpu_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& residual = {});

/// The same for a frozen weight and bias, + factor * input down^T up^T. down [rank, in] and up
/// [out, rank] and their gradients are float32.
at::Tensor cpu_lora_linear(const at::Tensor& input, const at::Tensor& weight,
                           const at::Tensor& bias, const at::Tensor& down, const at::Tensor& up,
                           double factor);

}  // namespace sdxl
