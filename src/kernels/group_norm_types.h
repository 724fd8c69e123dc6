// What the kernels of group normalisation take and give, those of the CPU and those of a device's
// plugin.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

struct GroupNormOptions {
  int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;  ///< x * sigmoid(x) of the normalised values.
};

/// A normalised feature map and what its gradient needs.
struct NormalisedMap {
  at::Tensor output;      ///< Like the input, channels last.
  at::Tensor mean, rstd;  ///< [B, groups] float32, of input + shift.
};

struct GroupNormGradients {
  at::Tensor input;         ///< Channels last.
  at::Tensor shift;         ///< [B, C], undefined without a shift.
  at::Tensor weight, bias;  ///< [C], of the weight's and the bias's dtype.
};

}  // namespace sdxl
