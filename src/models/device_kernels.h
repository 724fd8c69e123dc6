// The fused operators of a device's plugin (device/operators.h) as layers use them, with their
// gradients. Where there is no plugin, or a tensor that it doesn't serve, they say so and the
// caller computes with ATen.
#pragma once

#include <ATen/ATen.h>

#include <optional>

namespace sdxl {

struct FusedGroupNorm {
  int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;  ///< x * sigmoid(x) of the normalised values.
};

/// Group normalisation of input + shift, channels last: input [B, C, H, W], shift [B, C] or
/// undefined, weight and bias [C]. Nothing where it is not served.
std::optional<at::Tensor> fused_group_norm(const at::Tensor& input, const at::Tensor& shift,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           const FusedGroupNorm& options);

/// [.., 2 * D] = (values, gates) -> values * gelu(gates) [.., D]; nothing where it is not served.
std::optional<at::Tensor> fused_geglu(const at::Tensor& values_and_gates);

}  // namespace sdxl
