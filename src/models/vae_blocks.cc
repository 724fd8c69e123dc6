#include "models/vae_blocks.h"

#include "base/text.h"
#include "kernels/feature_map.h"
#include "models/attention.h"

namespace sdxl {
namespace {

constexpr double kEps = 1e-6;

ResnetOptions resnet_options(const VaeOptions& options, int64_t in_channels, int64_t out_channels) {
  ResnetOptions resnet;
  resnet.in_channels = in_channels;
  resnet.out_channels = out_channels;
  resnet.groups = options.groups;
  resnet.eps = kEps;
  return resnet;
}

/// `count` blocks of which the first changes the channels.
std::vector<ResnetOptions> level_options(const VaeOptions& options, int64_t count,
                                         int64_t in_channels, int64_t out_channels) {
  std::vector<ResnetOptions> resnets(count, resnet_options(options, out_channels, out_channels));
  resnets[0].in_channels = in_channels;
  return resnets;
}

}  // namespace

VaeAttention::VaeAttention(Module* parent, std::string name, int64_t channels, int64_t groups)
    : Module(parent, std::move(name)),
      group_norm_(this, "group_norm", groups, channels, kEps),
      to_q_(this, "to_q", channels, channels),
      to_k_(this, "to_k", channels, channels),
      to_v_(this, "to_v", channels, channels),
      to_out_(this, "to_out.0", channels, channels) {}

at::Tensor VaeAttention::forward(const at::Tensor& feature_map) const {
  const at::Tensor tokens = tokens_of(group_norm_.forward(feature_map));  // [B, H * W, C]
  const at::Tensor mixed = multi_head_attention(to_q_.forward(tokens), to_k_.forward(tokens),
                                                to_v_.forward(tokens), /*heads=*/1);
  return feature_map_of(to_out_.forward(mixed), feature_map.size(2), feature_map.size(3)) +
         feature_map;
}

VaeMidBlock::VaeMidBlock(Module* parent, std::string name, const VaeOptions& options)
    : Module(parent, std::move(name)) {
  const int64_t channels = options.widths.back();
  if (options.mid_attention) {
    attention_ = std::make_unique<VaeAttention>(this, "attentions.0", channels, options.groups);
  }
  for (int i = 0; i < 2; ++i) {
    resnets_.emplace_back(this, str("resnets.", i), resnet_options(options, channels, channels));
  }
}

at::Tensor VaeMidBlock::forward(const at::Tensor& hidden) const {
  const at::Tensor first = resnets_[0].forward(hidden);
  return resnets_[1].forward(attention_ ? attention_->forward(first) : first);
}

VaeLevel::VaeLevel(Module* parent, std::string name, const std::vector<ResnetOptions>& resnets)
    : Module(parent, std::move(name)) {
  for (size_t i = 0; i < resnets.size(); ++i) {
    resnets_.emplace_back(this, str("resnets.", i), resnets[i]);
  }
}

void VaeLevel::add_downsampler(int64_t channels) {
  downsampler_ = std::make_unique<Downsample2D>(this, "downsamplers.0", channels, /*padding=*/0);
}

void VaeLevel::add_upsampler(int64_t channels) {
  upsampler_ = std::make_unique<Upsample2D>(this, "upsamplers.0", channels);
}

at::Tensor VaeLevel::forward(at::Tensor hidden) const {
  for (const ResnetBlock2D& resnet : resnets_) hidden = resnet.forward(hidden);
  if (downsampler_) return downsampler_->forward(hidden);
  return upsampler_ ? upsampler_->forward(hidden) : hidden;
}

VaeEncoder::VaeEncoder(Module* parent, std::string name, const VaeOptions& options)
    : Module(parent, std::move(name)),
      conv_in_(this, "conv_in", options.pixel_channels, options.widths[0], 3, 1, 1) {
  const size_t levels = options.widths.size();
  for (size_t i = 0; i < levels; ++i) {
    const int64_t input = options.widths[i == 0 ? 0 : i - 1];
    VaeLevel& level = down_blocks_.emplace_back(
        this, str("down_blocks.", i),
        level_options(options, options.layers_per_block, input, options.widths[i]));
    if (i + 1 < levels) level.add_downsampler(options.widths[i]);
  }
  mid_block_ = std::make_unique<VaeMidBlock>(this, "mid_block", options);
  conv_norm_out_ = std::make_unique<GroupNorm>(this, "conv_norm_out", options.groups,
                                               options.widths.back(), kEps);
  conv_out_ = std::make_unique<Conv2d>(this, "conv_out", options.widths.back(),
                                       options.latent_channels, 3, 1, 1);
}

at::Tensor VaeEncoder::forward(const at::Tensor& pixels) const {
  at::Tensor hidden = conv_in_.forward(in_activation_layout(pixels));  // [B, C0, H, W]
  for (const VaeLevel& level : down_blocks_) hidden = level.forward(hidden);
  hidden = mid_block_->forward(hidden);  // [B, C3, h, w]
  return conv_out_->forward(conv_norm_out_->forward_silu(hidden));
}

VaeDecoder::VaeDecoder(Module* parent, std::string name, const VaeOptions& options)
    : Module(parent, std::move(name)),
      conv_in_(this, "conv_in", options.latent_channels, options.widths.back(), 3, 1, 1) {
  const size_t levels = options.widths.size();
  for (size_t i = 0; i < levels; ++i) {
    const int64_t input = options.widths[i == 0 ? levels - 1 : levels - i];
    const int64_t output = options.widths[levels - 1 - i];
    VaeLevel& level = up_blocks_.emplace_back(
        this, str("up_blocks.", i),
        level_options(options, options.layers_per_block + 1, input, output));
    if (i + 1 < levels) level.add_upsampler(output);
  }
  mid_block_ = std::make_unique<VaeMidBlock>(this, "mid_block", options);
  conv_norm_out_ =
      std::make_unique<GroupNorm>(this, "conv_norm_out", options.groups, options.widths[0], kEps);
  conv_out_ = std::make_unique<Conv2d>(this, "conv_out", options.widths[0], options.pixel_channels,
                                       3, 1, 1);
}

at::Tensor VaeDecoder::forward(const at::Tensor& latents) const {
  at::Tensor hidden = conv_in_.forward(in_activation_layout(latents));
  hidden = mid_block_->forward(hidden);                                     // [B, C3, h, w]
  for (const VaeLevel& level : up_blocks_) hidden = level.forward(hidden);  // [B, C0, H, W]
  return conv_out_->forward(conv_norm_out_->forward_silu(hidden));
}

}  // namespace sdxl
