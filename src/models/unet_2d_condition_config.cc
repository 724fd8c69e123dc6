#include <algorithm>

#include "base/text.h"
#include "models/config_reader.h"
#include "models/unet_2d_condition.h"

namespace sdxl {
namespace {

constexpr int64_t kMostChannels = 1 << 16;
constexpr int64_t kMostLayers = 1 << 10;

const char* const kPlainDown = "DownBlock2D";
const char* const kAttentionDown = "CrossAttnDownBlock2D";
const char* const kPlainUp = "UpBlock2D";
const char* const kAttentionUp = "CrossAttnUpBlock2D";

/// An integer for all layers of a block, or a list with one for each.
std::vector<int64_t> transformer_layers(ConfigReader& reader, const std::string& key,
                                        const Json& value, int64_t layers) {
  const auto is_count = [](const Json& item) {
    return item.is_number_integer() && item >= 0 && item <= kMostLayers;
  };
  if (is_count(value)) return std::vector<int64_t>(layers, value.get<int64_t>());
  if (!value.is_array() || static_cast<int64_t>(value.size()) < layers ||
      !std::all_of(value.begin(), value.end(), is_count)) {
    reader.refuse(key,
                  sdxl::str("a block of ", layers, " layers needs one count, or as many counts"));
  }
  auto counts = value.get<std::vector<int64_t>>();
  counts.resize(layers);
  return counts;
}

void read_block_types(ConfigReader& reader, UNet2DConditionConfig* config) {
  config->down_block_types = reader.texts(
      "down_block_types", {kAttentionDown, kAttentionDown, kAttentionDown, kPlainDown});
  config->up_block_types =
      reader.texts("up_block_types", {kPlainUp, kAttentionUp, kAttentionUp, kAttentionUp});
  reader.supports("down_block_types", {kPlainDown, kAttentionDown});
  reader.supports("up_block_types", {kPlainUp, kAttentionUp});
  reader.supports("mid_block_type", {"UNetMidBlock2DCrossAttn", "UNetMidBlock2D"});
  const size_t blocks = config->block_out_channels.size();
  if (config->down_block_types.size() != blocks) {
    reader.refuse("down_block_types", str("block_out_channels has ", blocks, " blocks"));
  }
  if (config->up_block_types.size() != blocks) {
    reader.refuse("up_block_types", str("block_out_channels has ", blocks, " blocks"));
  }
}

/// Returns the counts for block i of one number for all blocks or a list with one for each.
const Json& entry(ConfigReader& reader, const std::string& key, const Json& value, size_t i,
                  size_t blocks) {
  if (!value.is_array()) return value;
  if (value.size() != blocks) {
    reader.refuse(key, str("it must have one entry for each of ", blocks, " blocks"));
  }
  return value[i];
}

void read_transformer_layers(ConfigReader& reader, UNet2DConditionConfig* config) {
  const std::string key = "transformer_layers_per_block";
  const std::string up_key = "reverse_transformer_layers_per_block";
  const size_t blocks = config->block_out_channels.size();
  const Json found = reader.value(key);
  const Json down = found.is_null() ? Json(1) : found;
  const Json up = reader.value(up_key);
  if (up.is_null() && down.is_array() &&
      std::any_of(down.begin(), down.end(), [](const Json& item) { return item.is_array(); })) {
    reader.refuse(key, "lists of lists need " + up_key + " too");
  }
  config->down_transformer_layers.resize(blocks);
  config->up_transformer_layers.resize(blocks);
  for (size_t i = 0; i < blocks; ++i) {
    if (config->down_block_types[i] == kAttentionDown) {
      config->down_transformer_layers[i] = transformer_layers(
          reader, key, entry(reader, key, down, i, blocks), config->layers_per_block[i]);
    }
    if (config->up_block_types[i] == kAttentionUp) {
      const size_t j = blocks - 1 - i;
      config->up_transformer_layers[i] = transformer_layers(
          reader, up.is_null() ? key : up_key,
          up.is_null() ? entry(reader, key, down, j, blocks) : entry(reader, up_key, up, i, blocks),
          config->layers_per_block[j] + 1);
    }
  }
  if (reader.text("mid_block_type", "UNetMidBlock2DCrossAttn") == "UNetMidBlock2DCrossAttn") {
    config->mid_transformer_layers =
        transformer_layers(reader, key, entry(reader, key, down, blocks - 1, blocks), 1);
  }
}

/// One number, or a list of equal ones.
int64_t one_for_all(ConfigReader& reader, const std::string& key, int64_t fallback) {
  const Json& value = reader.value(key);
  if (!value.is_array()) return reader.integer(key, fallback, 1, kMostChannels);
  const auto numbers = reader.integers(key, {}, 1, kMostChannels);
  if (std::count(numbers.begin(), numbers.end(), numbers[0]) !=
      static_cast<int64_t>(numbers.size())) {
    reader.refuse(key, "different numbers are not supported");
  }
  return numbers[0];
}

/// Refuses architectures that the reference supports and SDXL checkpoints do not use.
void refuse_other_architectures(ConfigReader& reader) {
  if (reader.value("addition_embed_type") != "text_time") {
    reader.refuse("addition_embed_type", "a UNet of SDXL has \"text_time\"");
  }
  reader.refuse_null({"mid_block_type", "norm_num_groups", "act_fn"});
  reader.supports("act_fn", {"silu", "swish"});
  reader.supports("resnet_time_scale_shift", {"default"});
  reader.supports("time_embedding_type", {"positional"});
  reader.supports("attention_type", {"default"});
  for (const char* key : {"conv_in_kernel", "conv_out_kernel"}) reader.supports(key, {3});
  for (const char* key : {"mid_block_scale_factor", "resnet_out_scale_factor"}) {
    reader.supports(key, {1, 1.0});
  }
  reader.supports("dropout", {0, 0.0});
  for (const char* key :
       {"center_input_sample", "only_cross_attention", "dual_cross_attention",
        "resnet_skip_time_act", "class_embeddings_concat", "mid_block_only_cross_attention"}) {
    reader.supports(key, {false});
  }
  for (const char* key :
       {"encoder_hid_dim", "encoder_hid_dim_type", "num_attention_heads", "class_embed_type",
        "num_class_embeds", "time_embedding_dim", "time_embedding_act_fn", "timestep_post_act",
        "time_cond_proj_dim", "cross_attention_norm"}) {
    reader.supports(key, {});
  }
  // upcast_attention does not change what fused attention computes. The other keys are for another
  // addition_embed_type, or written by diffusers' EMA.
  reader.ignore({"upcast_attention", "addition_embed_type_num_heads", "decay", "min_decay",
                 "inv_gamma", "power", "optimization_step", "update_after_step", "use_ema_warmup"});
  reader.refuse_other_keys();
}

void check_consistency(ConfigReader& reader, const UNet2DConditionConfig& config) {
  for (size_t i = 0; i < config.block_out_channels.size(); ++i) {
    const int64_t channels = config.block_out_channels[i];
    if (channels % config.norm_num_groups != 0) {
      reader.refuse("block_out_channels",
                    str("each must be a multiple of norm_num_groups, ", config.norm_num_groups));
    }
    if (config.attention_heads[i] > channels) {
      reader.refuse("attention_head_dim",
                    "it is the number of heads and exceeds block_out_channels");
    }
  }
  if (config.freq_shift >= config.block_out_channels[0] / 2 ||
      config.freq_shift >= config.addition_time_embed_dim / 2) {
    reader.refuse("freq_shift", "it must be less than half of the embeddings' width");
  }
  if (config.projection_class_embeddings_input_dim <= config.addition_time_embed_dim) {
    reader.refuse("projection_class_embeddings_input_dim",
                  "it must be the pooled text's width and six times addition_time_embed_dim");
  }
}

}  // namespace

UNet2DConditionConfig UNet2DConditionConfig::from_json(const Json& json,
                                                       const std::string& source) {
  ConfigReader reader(json, source);
  UNet2DConditionConfig config;
  config.json = json;
  config.block_out_channels =
      reader.integers("block_out_channels", {320, 640, 1280, 1280}, 1, kMostChannels);
  const size_t blocks = config.block_out_channels.size();
  read_block_types(reader, &config);
  config.sample_size = one_for_all(reader, "sample_size", 128);
  config.in_channels = reader.integer("in_channels", 4, 1, kMostChannels);
  config.out_channels = reader.integer("out_channels", 4, 1, kMostChannels);
  config.layers_per_block = reader.per_block("layers_per_block", blocks, 2, 1, kMostLayers);
  config.attention_heads = reader.per_block("attention_head_dim", blocks, 8, 1, kMostChannels);
  config.cross_attention_dim = one_for_all(reader, "cross_attention_dim", 1280);
  config.addition_time_embed_dim = reader.integer("addition_time_embed_dim", 256, 2, kMostChannels);
  config.projection_class_embeddings_input_dim =
      reader.integer("projection_class_embeddings_input_dim", 2816, 1, kMostChannels);
  config.norm_num_groups = reader.integer("norm_num_groups", 32, 1, kMostChannels);
  config.downsample_padding = reader.integer("downsample_padding", 1, 0, 1);
  config.norm_eps = reader.number("norm_eps", 1e-5);
  config.use_linear_projection = reader.boolean("use_linear_projection", false);
  config.flip_sin_to_cos = reader.boolean("flip_sin_to_cos", true);
  config.freq_shift = reader.integer("freq_shift", 0, 0, kMostChannels);
  read_transformer_layers(reader, &config);
  refuse_other_architectures(reader);
  check_consistency(reader, config);
  return config;
}

}  // namespace sdxl
