// Embeddings of numbers (timesteps, sizes), after diffusers' models/embeddings.py.
#pragma once

#include <ATen/ATen.h>

#include "models/layers.h"

namespace sdxl {

struct SinusoidOptions {
  int64_t features = 0;
  bool flip_sin_to_cos = true;  ///< Cosines first.
  int64_t freq_shift = 0;       ///< Less than features / 2.
};

/// values [N] -> [N, features] float32: sines and cosines with periods up to 2 pi 10,000 (Vaswani
/// et al. 2017; Ho et al. 2020).
at::Tensor sinusoidal_embedding(const at::Tensor& values, const SinusoidOptions& options);

/// Two linear layers with SiLU between them.
class TimestepEmbedding : public Module {
 public:
  TimestepEmbedding(Module* parent, std::string name, int64_t in_features, int64_t features);
  /// [B, in] -> [B, features]
  at::Tensor forward(const at::Tensor& input) const;

 private:
  Linear linear_1_, linear_2_;
};

}  // namespace sdxl
