// The VAE, after diffusers' models/autoencoders/autoencoder_kl.py.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/module.h"

namespace sdxl {

struct AutoencoderKLConfig {
  int64_t in_channels = 3, out_channels = 3, latent_channels = 4, layers_per_block = 1;
  int64_t norm_num_groups = 32, sample_size = 32;
  std::vector<int64_t> block_out_channels;
  double scaling_factor = 0.18215;
  std::vector<double> latents_mean, latents_std;  ///< Empty where the config has none.
  bool force_upcast = true, use_quant_conv = true, use_post_quant_conv = true;
  bool mid_block_add_attention = true;
  Json json;

  /// Absent keys have the reference's defaults. Error(kBadData) names `source`, the key and its
  /// value.
  static AutoencoderKLConfig from_json(const Json& json, const std::string& source);
  /// Pixels per latent cell, on each side.
  int64_t scale_factor() const { return int64_t{1} << (block_out_channels.size() - 1); }
};

class AutoencoderKL : public Module {
 public:
  /// Builds and loads the encoder and the decoder as asked for; at least one.
  explicit AutoencoderKL(const AutoencoderKLConfig& config, bool with_encoder = true,
                         bool with_decoder = true);
  ~AutoencoderKL() override;

  /// Pixels [B, 3, H, W] in [-1, 1] -> moments [B, 2 * latent, h, w]: mean, then log-variance.
  at::Tensor encode(const at::Tensor& pixels) const;
  /// Latents [B, latent, h, w], already divided by scaling_factor -> pixels [B, 3, H, W].
  at::Tensor decode(const at::Tensor& latents) const;
  /// decode() in overlapping tiles of `tile` latent cells a side, blended linearly as diffusers'
  /// tiling, whose tile is sample_size / scale_factor(). Rounds `tile` down to a multiple of 4; 0
  /// means no tiles.
  at::Tensor decode_tiled(const at::Tensor& latents, int64_t tile) const;

  const AutoencoderKLConfig& config() const { return config_; }

 protected:
  /// Accepts the attention's old names (query, key, value, proj_attn) and skips the half that was
  /// not built.
  Weights adapted(const Weights& weights) const override;

 private:
  struct Parts;
  AutoencoderKLConfig config_;
  std::unique_ptr<Parts> parts_;
};

/// mean + exp(0.5 * clamp(log-variance, -30, 20)) * noise.
at::Tensor sample_posterior(const at::Tensor& moments, const at::Tensor& noise);

}  // namespace sdxl
