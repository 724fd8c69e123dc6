// A small UNet with SDXL's architecture, and random inputs for it.
#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include "models/unet_2d_condition.h"
#include "pipelines/unet_replay.h"

namespace sdxl::test {

inline UNet2DConditionConfig small_unet_config() {
  return UNet2DConditionConfig::from_json(parse_json(R"({
    "_class_name": "UNet2DConditionModel", "act_fn": "silu", "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32, "attention_head_dim": [2, 4], "block_out_channels": [64, 128],
    "cross_attention_dim": 160, "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "layers_per_block": 2, "norm_num_groups": 16, "projection_class_embeddings_input_dim": 288,
    "sample_size": 16, "transformer_layers_per_block": [1, 2],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"], "use_linear_projection": true})",
                                                     "config"),
                                          "config");
}

/// Random inputs from one generator, so that those of each call differ.
class RandomInputs {
 public:
  explicit RandomInputs(at::TensorOptions options) : options_(options) {}

  at::Tensor sample(int64_t batch) { return normal({batch, 4, 16, 16}); }
  at::Tensor timestep() { return (normal({1}).to(at::kFloat).abs() * 300).clamp_max(999); }
  UNetPrompt prompt(int64_t batch) {
    const at::Tensor sizes = (normal({batch, 6}).to(at::kFloat).abs() * 500).floor();
    return {{normal({batch, 77, 160}), normal({batch, 288 - 6 * 32})}, sizes, {}, {}};
  }

 private:
  at::Tensor normal(at::IntArrayRef sizes) {
    return at::randn(sizes, generator_, at::TensorOptions(at::kFloat)).to(options_);
  }

  at::TensorOptions options_;
  at::Generator generator_ = at::make_generator<at::CPUGeneratorImpl>(1);
};

/// Calls the UNet without a graph and without a prompt's cached values.
inline at::Tensor plain_call(const UNet2DConditionModel& unet, const at::Tensor& sample,
                             const at::Tensor& timestep, const UNetPrompt& prompt) {
  return unet.forward(sample, timestep, prompt.embeds.prompt_embeds,
                      prompt.embeds.pooled_prompt_embeds, prompt.time_ids);
}

}  // namespace sdxl::test
