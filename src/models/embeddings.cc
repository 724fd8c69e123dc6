#include "models/embeddings.h"

#include <cmath>

namespace sdxl {

at::Tensor sinusoidal_embedding(const at::Tensor& values, const SinusoidOptions& options) {
  constexpr double kMaxPeriod = 10000;
  const int64_t half = options.features / 2;
  const auto float32 = values.options().dtype(at::kFloat);
  const at::Tensor exponent = -std::log(kMaxPeriod) * at::arange(half, float32) /
                              static_cast<double>(half - options.freq_shift);
  const at::Tensor angles =
      values.to(at::kFloat).unsqueeze(1) * exponent.exp().unsqueeze(0);  // [N, half]
  const at::Tensor sines = angles.sin(), cosines = angles.cos();
  at::Tensor embedding =
      options.flip_sin_to_cos ? at::cat({cosines, sines}, 1) : at::cat({sines, cosines}, 1);
  if (options.features % 2 == 1) embedding = at::constant_pad_nd(embedding, {0, 1});
  return embedding;  // [N, features]
}

TimestepEmbedding::TimestepEmbedding(Module* parent, std::string name, int64_t in_features,
                                     int64_t features)
    : Module(parent, std::move(name)),
      linear_1_(this, "linear_1", in_features, features),
      linear_2_(this, "linear_2", features, features) {}

at::Tensor TimestepEmbedding::forward(const at::Tensor& input) const {
  return linear_2_.forward(at::silu(linear_1_.forward(input)));
}

}  // namespace sdxl
