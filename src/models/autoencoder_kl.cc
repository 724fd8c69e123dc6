#include "models/autoencoder_kl.h"

#include <algorithm>

#include "base/text.h"
#include "models/config_reader.h"
#include "models/vae_blocks.h"

namespace sdxl {
namespace {

constexpr int64_t kMost = 1 << 16;

/// Blends the first `extent` rows (dimension 2) or columns (3) of `tile` with the last ones of the
/// tile before it, in place.
void blend_edge(const at::Tensor& before, at::Tensor tile, int64_t dimension, int64_t extent) {
  extent = std::min({before.size(dimension), tile.size(dimension), extent});
  if (extent == 0) return;
  at::Tensor ramp = at::arange(extent, tile.options()) / static_cast<double>(extent);  // 0 .. 1
  if (dimension == 2) ramp = ramp.unsqueeze(1);
  at::Tensor edge = tile.narrow(dimension, 0, extent);
  const at::Tensor other = before.narrow(dimension, before.size(dimension) - extent, extent);
  edge.copy_(other * (1 - ramp) + edge * ramp);
}

/// The attention's names before diffusers 0.15.
std::string current_attention_name(std::string name) {
  static const std::pair<const char*, const char*> kNames[] = {{".query.", ".to_q."},
                                                               {".key.", ".to_k."},
                                                               {".value.", ".to_v."},
                                                               {".proj_attn.", ".to_out.0."}};
  if (name.find(".attentions.") == std::string::npos) return name;
  for (const auto& [old_name, new_name] : kNames) {
    const size_t at = name.find(old_name);
    if (at != std::string::npos)
      return name.replace(at, std::string_view(old_name).size(), new_name);
  }
  return name;
}

VaeOptions half_options(const AutoencoderKLConfig& config) {
  VaeOptions options;
  options.widths = config.block_out_channels;
  options.layers_per_block = config.layers_per_block;
  options.groups = config.norm_num_groups;
  options.mid_attention = config.mid_block_add_attention;
  return options;
}

}  // namespace

AutoencoderKLConfig AutoencoderKLConfig::from_json(const Json& json, const std::string& source) {
  ConfigReader reader(json, source);
  AutoencoderKLConfig config;
  config.json = json;
  config.in_channels = reader.integer("in_channels", 3, 1, kMost);
  config.out_channels = reader.integer("out_channels", 3, 1, kMost);
  config.latent_channels = reader.integer("latent_channels", 4, 1, kMost);
  config.layers_per_block = reader.integer("layers_per_block", 1, 1, kMost);
  config.norm_num_groups = reader.integer("norm_num_groups", 32, 1, kMost);
  config.sample_size = reader.integer("sample_size", 32, 1, kMost);
  config.block_out_channels = reader.integers("block_out_channels", {64}, 1, kMost);
  config.scaling_factor = reader.number("scaling_factor", 0.18215);
  config.latents_mean = reader.numbers("latents_mean");
  config.latents_std = reader.numbers("latents_std");
  config.force_upcast = reader.boolean("force_upcast", true);
  config.use_quant_conv = reader.boolean("use_quant_conv", true);
  config.use_post_quant_conv = reader.boolean("use_post_quant_conv", true);
  config.mid_block_add_attention = reader.boolean("mid_block_add_attention", true);
  reader.supports("down_block_types", {"DownEncoderBlock2D"});
  reader.supports("up_block_types", {"UpDecoderBlock2D"});
  reader.supports("act_fn", {"silu", "swish"});
  reader.supports("shift_factor", {0, 0.0});
  reader.refuse_other_keys();
  const size_t levels = config.block_out_channels.size();
  for (const char* key : {"down_block_types", "up_block_types"}) {
    if (reader.texts(key, std::vector<std::string>(1)).size() != levels) {
      reader.refuse(key, str("block_out_channels has ", levels, " blocks"));
    }
  }
  for (const int64_t channels : config.block_out_channels) {
    if (channels % config.norm_num_groups == 0) continue;
    reader.refuse("block_out_channels",
                  str("each must be a multiple of norm_num_groups, ", config.norm_num_groups));
  }
  for (const auto* list : {&config.latents_mean, &config.latents_std}) {
    if (list->empty() || static_cast<int64_t>(list->size()) == config.latent_channels) continue;
    reader.refuse(list == &config.latents_mean ? "latents_mean" : "latents_std",
                  str("latent_channels is ", config.latent_channels));
  }
  return config;
}

/// In the order of the reference's state_dict.
struct AutoencoderKL::Parts {
  std::unique_ptr<VaeEncoder> encoder;
  std::unique_ptr<VaeDecoder> decoder;
  std::unique_ptr<Conv2d> quant_conv, post_quant_conv;
};

AutoencoderKL::AutoencoderKL(const AutoencoderKLConfig& config, bool with_encoder,
                             bool with_decoder)
    : config_(config), parts_(std::make_unique<Parts>()) {
  VaeOptions options = half_options(config);
  const int64_t moments = 2 * config.latent_channels;
  if (with_encoder) {
    options.pixel_channels = config.in_channels;
    options.latent_channels = moments;
    parts_->encoder = std::make_unique<VaeEncoder>(this, "encoder", options);
  }
  if (with_decoder) {
    options.pixel_channels = config.out_channels;
    options.latent_channels = config.latent_channels;
    parts_->decoder = std::make_unique<VaeDecoder>(this, "decoder", options);
  }
  if (with_encoder && config.use_quant_conv) {
    parts_->quant_conv = std::make_unique<Conv2d>(this, "quant_conv", moments, moments, 1);
  }
  if (with_decoder && config.use_post_quant_conv) {
    parts_->post_quant_conv = std::make_unique<Conv2d>(
        this, "post_quant_conv", config.latent_channels, config.latent_channels, 1);
  }
}

AutoencoderKL::~AutoencoderKL() = default;

at::Tensor AutoencoderKL::encode(const at::Tensor& pixels) const {
  const at::Tensor moments = parts_->encoder->forward(pixels);  // [B, 2 * latent, h, w]
  return parts_->quant_conv ? parts_->quant_conv->forward(moments) : moments;
}

at::Tensor AutoencoderKL::decode(const at::Tensor& latents) const {
  return parts_->decoder->forward(
      parts_->post_quant_conv ? parts_->post_quant_conv->forward(latents) : latents);
}

at::Tensor AutoencoderKL::decode_tiled(const at::Tensor& latents, int64_t tile) const {
  const int64_t height = latents.size(2), width = latents.size(3), scale = config_.scale_factor();
  tile = tile / 4 * 4;  // so that the overlap, a quarter, is made of whole cells
  if (tile == 0 || (height <= tile && width <= tile)) return decode(latents);
  const int64_t step = tile * 3 / 4;           // Latent cells from one tile to the next.
  const int64_t extent = tile * scale / 4;     // Pixels that are blended.
  const int64_t kept = tile * scale - extent;  // Pixels of a tile that the next one leaves.
  std::vector<at::Tensor> above, row, rows;
  for (int64_t top = 0; top < height; top += step) {
    std::vector<at::Tensor> pieces;
    for (int64_t left = 0; left < width; left += step) {
      const at::Tensor part = latents.slice(2, top, top + tile).slice(3, left, left + tile);
      row.push_back(decode(part));
      if (!above.empty()) blend_edge(above[row.size() - 1], row.back(), 2, extent);
      if (row.size() > 1) blend_edge(row[row.size() - 2], row.back(), 3, extent);
      pieces.push_back(row.back().slice(2, 0, kept).slice(3, 0, kept));
    }
    rows.push_back(at::cat(pieces, 3));
    above = std::exchange(row, {});
  }
  return at::cat(rows, 2);  // [B, pixel, H, W]
}

Weights AutoencoderKL::adapted(const Weights& weights) const {
  const bool with_encoder = parts_->encoder != nullptr, with_decoder = parts_->decoder != nullptr;
  return weights.renamed([=](const std::string& name) -> std::string {
    const auto is_of = [&](const char* prefix) { return name.starts_with(prefix); };
    if (!with_encoder && (is_of("encoder.") || is_of("quant_conv."))) return "";
    if (!with_decoder && (is_of("decoder.") || is_of("post_quant_conv."))) return "";
    return current_attention_name(name);
  });
}

at::Tensor sample_posterior(const at::Tensor& moments, const at::Tensor& noise) {
  const auto parts = moments.chunk(2, 1);
  return parts[0] + at::exp(0.5 * parts[1].clamp(-30, 20)) * noise;
}

}  // namespace sdxl
