// The stages of the UNet, after diffusers' models/unets/unet_2d_blocks.py: DownBlock2D and
// CrossAttnDownBlock2D, UNetMidBlock2DCrossAttn, UpBlock2D and CrossAttnUpBlock2D. One class serves
// a stage with and without attention.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "models/resnet.h"
#include "models/transformer_2d.h"

namespace sdxl {

/// The conditioning of all layers in a forward pass.
struct UNetConditioning {
  at::Tensor time_activation;           ///< [B, time]: SiLU of the time embedding.
  at::Tensor encoder_hidden_states;     ///< [B, S, D]
  bool recompute = false;               ///< Gradient checkpointing.
  KeyValueCache* key_values = nullptr;  ///< For encoder_hidden_states.
};

struct UNetStageOptions {
  int64_t channels = 0;                     ///< Of the stage's output.
  std::vector<int64_t> input_channels;      ///< Of each of its residual blocks.
  std::vector<int64_t> transformer_layers;  ///< For each attention; empty for a stage without.
  int64_t heads = 1, context_features = 0, time_features = 0, groups = 32;
  double eps = 1e-5;
  bool use_linear_projection = true;
};

/// Residual blocks and the transformers between or after them.
class UNetStage : public Module {
 public:
  UNetStage(Module* parent, std::string name, const UNetStageOptions& options);

 protected:
  at::Tensor resnet(size_t index, const at::Tensor& hidden,
                    const UNetConditioning& conditioning) const;
  /// The same for `hidden` and `skip` concatenated along channels.
  at::Tensor resnet(size_t index, const at::Tensor& hidden, const at::Tensor& skip,
                    const UNetConditioning& conditioning) const;
  /// Returns `hidden` in a stage without attention.
  at::Tensor attention(size_t index, const at::Tensor& hidden,
                       const UNetConditioning& conditioning) const;
  size_t size() const { return resnets_.size(); }

 private:
  ModuleList<Transformer2DModel> attentions_;
  ModuleList<ResnetBlock2D> resnets_;
};

class UNetDownBlock : public UNetStage {
 public:
  UNetDownBlock(Module* parent, std::string name, const UNetStageOptions& options,
                bool with_downsampler, int64_t downsample_padding);
  /// [B, in, H, W] -> [B, channels, H', W']. Appends each layer's output to `skips`.
  at::Tensor forward(at::Tensor hidden, const UNetConditioning& conditioning,
                     std::vector<at::Tensor>* skips) const;

 private:
  std::unique_ptr<Downsample2D> downsampler_;
};

class UNetMidBlock : public UNetStage {
 public:
  using UNetStage::UNetStage;
  /// [B, C, H, W] -> [B, C, H, W]: a residual block, then pairs of attention and residual block.
  at::Tensor forward(at::Tensor hidden, const UNetConditioning& conditioning) const;
};

class UNetUpBlock : public UNetStage {
 public:
  UNetUpBlock(Module* parent, std::string name, const UNetStageOptions& options,
              bool with_upsampler);
  /// [B, previous, H, W] -> [B, channels, H', W']. Pops its skips from the end of `skips`. The
  /// upsampled result has the sides of the last skip that remains.
  at::Tensor forward(at::Tensor hidden, const UNetConditioning& conditioning,
                     std::vector<at::Tensor>* skips) const;

 private:
  std::unique_ptr<Upsample2D> upsampler_;
};

}  // namespace sdxl
