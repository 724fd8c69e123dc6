// SDXL's UNet, after diffusers' models/unets/unet_2d_condition.py with the branches that SDXL
// checkpoints use; a config that asks for another is refused at load.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/module.h"

namespace sdxl {

struct UNet2DConditionConfig {
  int64_t sample_size = 128, in_channels = 4, out_channels = 4;
  std::vector<std::string> down_block_types, up_block_types;
  std::vector<int64_t> block_out_channels;
  std::vector<int64_t> layers_per_block;                   ///< One for each down block.
  std::vector<int64_t> attention_heads;                    ///< Heads: the config calls it attention_head_dim.
  std::vector<int64_t> transformer_layers_per_block;
  int64_t cross_attention_dim = 2048, addition_time_embed_dim = 256;
  int64_t projection_class_embeddings_input_dim = 2816, norm_num_groups = 32;
  double norm_eps = 1e-5;
  bool use_linear_projection = true, flip_sin_to_cos = true;
  int64_t freq_shift = 0;
  Json json;  ///< As read, written back unchanged.

  /// Error(kBadData) names `source`, the key and its value.
  static UNet2DConditionConfig from_json(const Json& json, const std::string& source);
};

class UNet2DConditionModel : public Module {
 public:
  explicit UNet2DConditionModel(const UNet2DConditionConfig& config);
  ~UNet2DConditionModel() override;

  /// sample [B, in, H, W] (any H, W that the down blocks divide), timestep [B] or [1] float32,
  /// encoder_hidden_states [B, S, D], text_embeds [B, P], time_ids [B, 6] float32.
  /// Returns [B, out, H, W] in the dtype of the weights.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep,
                     const at::Tensor& encoder_hidden_states, const at::Tensor& text_embeds,
                     const at::Tensor& time_ids) const;

  const UNet2DConditionConfig& config() const { return config_; }
  /// Recompute the activations of each block in the backward pass instead of keeping them.
  void set_gradient_checkpointing(bool value);

 private:
  struct Parts;
  UNet2DConditionConfig config_;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sdxl
