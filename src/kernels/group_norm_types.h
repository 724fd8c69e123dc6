// Arguments and results of the group normalisation kernels of the CPU and of devices' plugins (Wu
// and He 2018).
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

struct GroupNormOptions {
  int64_t groups = 32;
  double eps = 1e-5;
  bool silu = false;  ///< Apply x * sigmoid(x) to the result.
};

/// A normalised feature map, with the statistics that its gradient needs.
struct NormalisedMap {
  at::Tensor output;      ///< [B, C, H, W] in the input's dtype, channels last.
  at::Tensor mean, rstd;  ///< [B, groups] float32, of input + shift.
};

struct GroupNormGradients {
  at::Tensor input;         ///< [B, C, H, W], channels last.
  at::Tensor shift;         ///< [B, C], undefined without a shift.
  at::Tensor weight, bias;  ///< [C], in the dtypes of weight and bias.
};

}  // namespace sdxl
