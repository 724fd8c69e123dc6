// The two halves of the VAE, after diffusers' models/autoencoders/vae.py.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <vector>

#include "models/resnet.h"

namespace sdxl {

struct VaeOptions {
  int64_t pixel_channels = 3;  ///< Of the encoder's input or the decoder's output.
  /// Of the encoder's output (means and log-variances) or the decoder's input.
  int64_t latent_channels = 4;
  std::vector<int64_t> widths;  ///< Channels of each level, from pixels to latents.
  /// Residual blocks of the encoder's levels; the decoder's have one more.
  int64_t layers_per_block = 2;
  int64_t groups = 32;
  bool mid_attention = true;
};

/// Single-head attention between all cells, with a residual connection.
class VaeAttention : public Module {
 public:
  VaeAttention(Module* parent, std::string name, int64_t channels, int64_t groups);
  /// [B, C, H, W] -> [B, C, H, W]
  at::Tensor forward(const at::Tensor& feature_map) const;

 private:
  GroupNorm group_norm_;
  Linear to_q_, to_k_, to_v_, to_out_;
};

/// Two residual blocks with attention between them.
class VaeMidBlock : public Module {
 public:
  VaeMidBlock(Module* parent, std::string name, const VaeOptions& options);
  /// [B, C, h, w] -> [B, C, h, w]
  at::Tensor forward(const at::Tensor& hidden) const;

 private:
  std::unique_ptr<VaeAttention> attention_;
  ModuleList<ResnetBlock2D> resnets_;
};

/// A level: residual blocks, then, except at the last level, down- or upsampling by 2.
class VaeLevel : public Module {
 public:
  VaeLevel(Module* parent, std::string name, const std::vector<ResnetOptions>& resnets);
  void add_downsampler(int64_t channels);
  void add_upsampler(int64_t channels);
  at::Tensor forward(at::Tensor hidden) const;

 private:
  ModuleList<ResnetBlock2D> resnets_;
  std::unique_ptr<Downsample2D> downsampler_;
  std::unique_ptr<Upsample2D> upsampler_;
};

class VaeEncoder : public Module {
 public:
  VaeEncoder(Module* parent, std::string name, const VaeOptions& options);
  /// [B, pixel, H, W] -> [B, latent, h, w]
  at::Tensor forward(const at::Tensor& pixels) const;

 private:
  Conv2d conv_in_;
  ModuleList<VaeLevel> down_blocks_;
  std::unique_ptr<VaeMidBlock> mid_block_;
  std::unique_ptr<GroupNorm> conv_norm_out_;
  std::unique_ptr<Conv2d> conv_out_;
};

class VaeDecoder : public Module {
 public:
  VaeDecoder(Module* parent, std::string name, const VaeOptions& options);
  /// [B, latent, h, w] -> [B, pixel, H, W]
  at::Tensor forward(const at::Tensor& latents) const;

 private:
  Conv2d conv_in_;
  ModuleList<VaeLevel> up_blocks_;
  std::unique_ptr<VaeMidBlock> mid_block_;
  std::unique_ptr<GroupNorm> conv_norm_out_;
  std::unique_ptr<Conv2d> conv_out_;
};

}  // namespace sdxl
