#include "models/unet_2d_condition.h"

#include "base/text.h"
#include "kernels/feature_map.h"
#include "models/embeddings.h"
#include "models/unet_blocks.h"

namespace sdxl {
namespace {

UNetStageOptions stage_options(const UNet2DConditionConfig& config, size_t level) {
  UNetStageOptions options;
  options.channels = config.block_out_channels[level];
  options.heads = config.attention_heads[level];
  options.context_features = config.cross_attention_dim;
  options.time_features = config.time_embed_dim();
  options.groups = config.norm_num_groups;
  options.eps = config.norm_eps;
  options.use_linear_projection = config.use_linear_projection;
  return options;
}

UNetStageOptions down_options(const UNet2DConditionConfig& config, size_t level) {
  UNetStageOptions options = stage_options(config, level);
  options.input_channels.assign(config.layers_per_block[level], options.channels);
  options.input_channels[0] = config.block_out_channels[level == 0 ? 0 : level - 1];
  options.transformer_layers = config.down_transformer_layers[level];
  return options;
}

UNetStageOptions mid_options(const UNet2DConditionConfig& config) {
  UNetStageOptions options = stage_options(config, config.block_out_channels.size() - 1);
  options.transformer_layers = config.mid_transformer_layers;
  options.input_channels.assign(1 + options.transformer_layers.size(), options.channels);
  return options;
}

/// The block at position `index` of the way up, which mirrors a level of the way down.
UNetStageOptions up_options(const UNet2DConditionConfig& config, size_t index) {
  const auto& widths = config.block_out_channels;
  const size_t level = widths.size() - 1 - index;
  UNetStageOptions options = stage_options(config, level);
  const int64_t layers = config.layers_per_block[level] + 1;
  options.input_channels.assign(layers, options.channels + options.channels);
  // The first block's input comes from the stage before, the last one's skip from the level above.
  options.input_channels[0] += widths[index == 0 ? level : level + 1] - options.channels;
  options.input_channels[layers - 1] += widths[level == 0 ? 0 : level - 1] - options.channels;
  options.transformer_layers = config.up_transformer_layers[index];
  return options;
}

}  // namespace

/// In the order of the reference's state_dict.
struct UNet2DConditionModel::Parts {
  Conv2d conv_in;
  TimestepEmbedding time_embedding, add_embedding;
  ModuleList<UNetDownBlock> down_blocks;
  ModuleList<UNetUpBlock> up_blocks;
  std::unique_ptr<UNetMidBlock> mid_block;
  std::unique_ptr<GroupNorm> conv_norm_out;
  std::unique_ptr<Conv2d> conv_out;

  Parts(UNet2DConditionModel* model, const UNet2DConditionConfig& config);
};

UNet2DConditionModel::Parts::Parts(UNet2DConditionModel* model, const UNet2DConditionConfig& config)
    : conv_in(model, "conv_in", config.in_channels, config.block_out_channels[0], 3, 1, 1),
      time_embedding(model, "time_embedding", config.block_out_channels[0],
                     config.time_embed_dim()),
      add_embedding(model, "add_embedding", config.projection_class_embeddings_input_dim,
                    config.time_embed_dim()) {
  const size_t blocks = config.block_out_channels.size();
  for (size_t i = 0; i < blocks; ++i) {
    down_blocks.emplace_back(model, str("down_blocks.", i), down_options(config, i), i + 1 < blocks,
                             config.downsample_padding);
  }
  for (size_t i = 0; i < blocks; ++i) {
    up_blocks.emplace_back(model, str("up_blocks.", i), up_options(config, i), i + 1 < blocks);
  }
  mid_block = std::make_unique<UNetMidBlock>(model, "mid_block", mid_options(config));
  conv_norm_out = std::make_unique<GroupNorm>(model, "conv_norm_out", config.norm_num_groups,
                                              config.block_out_channels[0], config.norm_eps);
  conv_out = std::make_unique<Conv2d>(model, "conv_out", config.block_out_channels[0],
                                      config.out_channels, 3, 1, 1);
}

UNet2DConditionModel::UNet2DConditionModel(const UNet2DConditionConfig& config)
    : config_(config), parts_(std::make_unique<Parts>(this, config_)) {}

UNet2DConditionModel::~UNet2DConditionModel() = default;

at::Tensor UNet2DConditionModel::time_embedding(const at::Tensor& timestep, int64_t batch) const {
  SinusoidOptions options;
  options.flip_sin_to_cos = config_.flip_sin_to_cos;
  options.freq_shift = config_.freq_shift;
  options.features = config_.block_out_channels[0];
  const at::Tensor times = sinusoidal_embedding(timestep, options)
                               .to(parts_->conv_in.weight.scalar_type());  // [B or 1, C]
  return parts_->time_embedding.forward(times.expand({batch, -1}));        // [B, 4 * C]
}

at::Tensor UNet2DConditionModel::added_embedding(const at::Tensor& text_embeds,
                                                 const at::Tensor& time_ids) const {
  const at::ScalarType dtype = parts_->conv_in.weight.scalar_type();
  SinusoidOptions options;
  options.flip_sin_to_cos = config_.flip_sin_to_cos;
  options.freq_shift = config_.freq_shift;
  options.features = config_.addition_time_embed_dim;
  const at::Tensor sizes =
      sinusoidal_embedding(time_ids.flatten(), options).view({time_ids.size(0), -1});  // [B, 6 * E]
  return parts_->add_embedding.forward(
      at::cat({text_embeds.to(dtype), sizes.to(dtype)}, 1));  // [B, 4 * C]
}

namespace {

void read_context(const Module& module, const at::Tensor& context, KeyValueCache* cache) {
  if (const auto* block = dynamic_cast<const BasicTransformerBlock*>(&module)) {
    block->read_context(context, cache);
  }
  for (const Module* child : module.children()) read_context(*child, context, cache);
}

}  // namespace

void UNet2DConditionModel::read_prompt(const at::Tensor& encoder_hidden_states,
                                       const at::Tensor& text_embeds, const at::Tensor& time_ids,
                                       UNetPromptCache* cache) const {
  if (!cache->added_embedding.defined()) {
    cache->added_embedding = added_embedding(text_embeds, time_ids);
  }
  read_context(*this, encoder_hidden_states.to(parts_->conv_in.weight.scalar_type()),
               &cache->key_values);
}

at::Tensor UNet2DConditionModel::forward(const at::Tensor& sample, const at::Tensor& timestep,
                                         const at::Tensor& encoder_hidden_states,
                                         const at::Tensor& text_embeds, const at::Tensor& time_ids,
                                         UNetPromptCache* cache) const {
  const at::ScalarType dtype = parts_->conv_in.weight.scalar_type();
  // 1. The conditioning of all layers.
  at::Tensor own;
  at::Tensor& added = cache != nullptr ? cache->added_embedding : own;
  if (!added.defined()) added = added_embedding(text_embeds, time_ids);
  UNetConditioning conditioning;
  conditioning.time_activation =
      at::silu(time_embedding(timestep, sample.size(0)) + added);        // [B, 4 * C0]
  conditioning.encoder_hidden_states = encoder_hidden_states.to(dtype);  // [B, S, D]
  if (cache != nullptr) conditioning.key_values = &cache->key_values;
  conditioning.recompute = gradient_checkpointing_;
  // 2. Into the first level's channels.
  at::Tensor hidden = parts_->conv_in.forward(in_activation_layout(sample.to(dtype)));
  // 3. Down, each level with half the sides; what it computes is kept for the way up.
  std::vector<at::Tensor> skips = {hidden};  // [B, C0, H, W]
  for (const UNetDownBlock& block : parts_->down_blocks) {
    hidden = block.forward(hidden, conditioning, &skips);
  }
  // 4. The middle, [B, C2, H / 4, W / 4] for three levels.
  hidden = parts_->mid_block->forward(hidden, conditioning);
  // 5. Up.
  for (const UNetUpBlock& block : parts_->up_blocks) {
    hidden = block.forward(hidden, conditioning, &skips);
  }
  // 6. Into the output's channels.
  return parts_->conv_out->forward(parts_->conv_norm_out->forward_silu(hidden));
}

}  // namespace sdxl
