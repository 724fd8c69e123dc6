// GEGLU (Shazeer, "GLU Variants Improve Transformer", 2020) for the CPU, in one pass over memory.
// Takes float32 and bfloat16, computes in float32.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// [.., 2 * D] = (values, gates), contiguous -> values * gelu(gates) [.., D]
at::Tensor geglu_forward(const at::Tensor& values_and_gates);
/// The gradient with respect to values_and_gates, from that of the output [.., D].
at::Tensor geglu_backward(const at::Tensor& output_gradient, const at::Tensor& values_and_gates);

}  // namespace sdxl
