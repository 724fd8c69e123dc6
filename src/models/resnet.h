// The convolutional blocks of the UNet and the VAE, after diffusers' models/resnet.py,
// downsampling.py and upsampling.py.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <memory>
#include <optional>

#include "models/layers.h"

namespace sdxl {

struct ResnetOptions {
  int64_t in_channels = 0, out_channels = 0;
  int64_t time_features = 0;  ///< 0 without a time embedding (the VAE).
  int64_t groups = 32;
  double eps = 1e-5;
};

class ResnetBlock2D : public Module {
 public:
  ResnetBlock2D(Module* parent, std::string name, const ResnetOptions& options);
  /// input [B, in, H, W] -> [B, out, H, W]. `time_activation` [B, time] is SiLU of the time
  /// embedding, which all blocks share.
  at::Tensor forward(const at::Tensor& input, const at::Tensor& time_activation = {}) const;

 private:
  GroupNorm norm1_;
  Conv2d conv1_;
  std::unique_ptr<Linear> time_emb_proj_;
  GroupNorm norm2_;
  Conv2d conv2_;
  std::unique_ptr<Conv2d> conv_shortcut_;  ///< Where the channels change.
};

/// Halves the sides by a convolution of stride 2. The UNet pads all sides by 1; the VAE pads with
/// zeros at the bottom and at the right only (`padding` 0).
class Downsample2D : public Module {
 public:
  Downsample2D(Module* parent, std::string name, int64_t channels, int64_t padding);
  /// [B, C, H, W] -> [B, C, ceil(H / 2), ceil(W / 2)], floor for `padding` 0.
  at::Tensor forward(const at::Tensor& input) const;

 private:
  Conv2d conv_;
};

/// Repeats cells, then convolves.
class Upsample2D : public Module {
 public:
  Upsample2D(Module* parent, std::string name, int64_t channels);
  /// [B, C, H, W] -> [B, C, h, w]: twice the sides, or `size`.
  at::Tensor forward(const at::Tensor& input,
                     std::optional<std::array<int64_t, 2>> size = {}) const;

 private:
  Conv2d conv_;
};

}  // namespace sdxl
