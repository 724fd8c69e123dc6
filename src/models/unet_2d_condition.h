// SDXL's UNet, after diffusers' models/unets/unet_2d_condition.py, reduced to the branches that
// SDXL checkpoints use. A config with another is refused.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/attention.h"
#include "models/module.h"

namespace sdxl {

struct UNet2DConditionConfig {
  int64_t sample_size = 128, in_channels = 4, out_channels = 4;
  std::vector<std::string> down_block_types, up_block_types;
  std::vector<int64_t> block_out_channels;
  std::vector<int64_t> layers_per_block;  ///< One for each down block; up blocks have one more.
  /// Heads of each down block; the config's misnamed attention_head_dim.
  std::vector<int64_t> attention_heads;
  /// Layers of the transformer after each residual block, for each down and each up block; empty
  /// for a block without attention.
  std::vector<std::vector<int64_t>> down_transformer_layers, up_transformer_layers;
  /// The same for the middle block, which has one residual block more than transformers.
  std::vector<int64_t> mid_transformer_layers;
  int64_t cross_attention_dim = 1280, addition_time_embed_dim = 256;
  int64_t projection_class_embeddings_input_dim = 2816, norm_num_groups = 32;
  int64_t downsample_padding = 1;
  double norm_eps = 1e-5;
  bool use_linear_projection = false, flip_sin_to_cos = true;
  int64_t freq_shift = 0;
  Json json;  ///< As read, written back unchanged.

  /// Absent keys have the reference's defaults. Error(kBadData) names `source`, the key and its
  /// value.
  static UNet2DConditionConfig from_json(const Json& json, const std::string& source);

  int64_t time_embed_dim() const { return block_out_channels[0] * 4; }
};

/// What the layers compute from the prompt alone, reused between a picture's steps: for calls with
/// the same weights, encoder_hidden_states, text_embeds and time_ids, without gradients.
struct UNetPromptCache {
  KeyValueCache key_values;
  at::Tensor added_embedding;  ///< [B, 4 * C]
};

class UNet2DConditionModel : public Module {
 public:
  explicit UNet2DConditionModel(const UNet2DConditionConfig& config);
  ~UNet2DConditionModel() override;

  /// sample [B, in, H, W], timestep [B] or [1] float32, encoder_hidden_states [B, S, D],
  /// text_embeds [B, P], time_ids [B, 6] float32. Returns [B, out, H, W] in the dtype of the
  /// weights.
  at::Tensor forward(const at::Tensor& sample, const at::Tensor& timestep,
                     const at::Tensor& encoder_hidden_states, const at::Tensor& text_embeds,
                     const at::Tensor& time_ids, UNetPromptCache* cache = nullptr) const;
  /// Fills `cache` as the first forward() with it would.
  void read_prompt(const at::Tensor& encoder_hidden_states, const at::Tensor& text_embeds,
                   const at::Tensor& time_ids, UNetPromptCache* cache) const;

  const UNet2DConditionConfig& config() const { return config_; }
  /// Recomputes the activations of each block in the backward pass instead of keeping them.
  void set_gradient_checkpointing(bool value) { gradient_checkpointing_ = value; }

 private:
  struct Parts;
  at::Tensor time_embedding(const at::Tensor& timestep, int64_t batch) const;
  at::Tensor added_embedding(const at::Tensor& text_embeds, const at::Tensor& time_ids) const;

  UNet2DConditionConfig config_;
  bool gradient_checkpointing_ = false;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sdxl
