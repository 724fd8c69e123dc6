// Runs a sampler from noise to its end with a stand-in for the model, as
// tools/reference/schedulers.py does with diffusers.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "base/json.h"

namespace sdxl {

struct Trajectory {
  at::Tensor timesteps;  ///< [calls] float32
  double init_noise_sigma = 1.0;
  std::vector<at::Tensor> samples;  ///< The latents after each call.
};

/// `run` has the keys name, config, overrides, seed, shape, dtype (float32, float16 or bfloat16),
/// one of steps, timesteps and sigmas, and learned for a model that predicts variances too.
Trajectory run_trajectory(const Json& run);

}  // namespace sdxl
