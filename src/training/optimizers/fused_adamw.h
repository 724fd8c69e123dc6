// AdamW by the operator of a device's plugin: one pass over weights, gradients and states.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "device/operators.h"
#include "training/parameters.h"

namespace sdxl {

/// What the operator needs of a tensor besides its states and factors. `gradient` has the value's
/// strides; `seed` is that of its stochastic rounding (element_seed).
sdxl_adamw_tensor fused_tensor(const TrainedTensor& tensor, const at::Tensor& gradient,
                               uint32_t seed);

/// Steps them; all are on `device`, which has operators.
void fused_adamw(const sdxl_adamw_step& step, const std::vector<sdxl_adamw_tensor>& tensors,
                 const at::Device& device);

}  // namespace sdxl
