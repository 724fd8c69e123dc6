// Activation functions between layers.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// x * sigmoid(1.702 * x)
at::Tensor quick_gelu(const at::Tensor& x);

/// [.., 2 * D] = (values, gates) -> values * gelu(gates) [.., D]
at::Tensor geglu(const at::Tensor& values_and_gates);

}  // namespace sdxl
