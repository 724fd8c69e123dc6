// Calls the fused operators of a device's plugin (device/operators.h). fused_ops.h makes them
// differentiable.
#pragma once

#include <ATen/ATen.h>

#include "kernels/group_norm_types.h"

namespace sdxl {

/// Whether the device has a plugin that takes these tensors.
bool device_group_norm_takes(const at::Tensor& input, const at::Tensor& weight,
                             const at::Tensor& bias, const GroupNormOptions& options);

/// As group_norm_forward() and group_norm_backward() (cpu/group_norm.h). Gradients of weight and
/// bias are undefined if neither is trained, that of the shift if it is not.
NormalisedMap device_group_norm_forward(const at::Tensor& input, const at::Tensor& shift,
                                        const at::Tensor& weight, const at::Tensor& bias,
                                        const GroupNormOptions& options);
GroupNormGradients device_group_norm_backward(const at::Tensor& output_gradient,
                                              const at::Tensor& input, const at::Tensor& shift,
                                              const at::Tensor& weight, const at::Tensor& bias,
                                              const at::Tensor& mean, const at::Tensor& rstd,
                                              const GroupNormOptions& options);

bool device_geglu_takes(const at::Tensor& values_and_gates);
/// As geglu_forward() and geglu_backward() (cpu/geglu.h).
at::Tensor device_geglu_forward(const at::Tensor& values_and_gates);
at::Tensor device_geglu_backward(const at::Tensor& output_gradient,
                                 const at::Tensor& values_and_gates);

}  // namespace sdxl
