// The transformers over feature maps, after diffusers' models/transformers/transformer_2d.py and
// the BasicTransformerBlock of attention.py.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "models/attention.h"
#include "models/layers.h"

namespace sdxl {

class BasicTransformerBlock : public Module {
 public:
  BasicTransformerBlock(Module* parent, std::string name, int64_t features, int64_t heads,
                        int64_t context_features);
  /// hidden [B, S, D], context [B, T, E] -> [B, S, D]. `cache`, if given, is for this context.
  at::Tensor forward(const at::Tensor& hidden, const at::Tensor& context,
                     KeyValueCache* cache = nullptr) const;
  void read_context(const at::Tensor& context, KeyValueCache* cache) const {
    attn2_.read_context(context, cache);
  }

 private:
  LayerNorm norm1_;
  Attention attn1_;
  LayerNorm norm2_;
  Attention attn2_;
  LayerNorm norm3_;
  FeedForward ff_;
};

struct Transformer2DOptions {
  int64_t channels = 0, heads = 1, layers = 1, context_features = 0;
  int64_t groups = 32;
  bool use_linear_projection = true;
};

class Transformer2DModel : public Module {
 public:
  Transformer2DModel(Module* parent, std::string name, const Transformer2DOptions& options);
  /// feature_map [B, C, H, W], context [B, T, E] -> [B, C, H, W]. `recompute` turns on gradient
  /// checkpointing of each block. `cache`, if given, is for this context.
  at::Tensor forward(const at::Tensor& feature_map, const at::Tensor& context,
                     bool recompute = false, KeyValueCache* cache = nullptr) const;

 private:
  at::Tensor project_in(const at::Tensor& feature_map) const;
  /// The tokens as a feature map, plus `residual` [B, C, H, W].
  at::Tensor project_out(const at::Tensor& tokens, const at::Tensor& residual) const;

  GroupNorm norm_;
  // Either the linear layers or the 1x1 convolutions, by the config.
  std::unique_ptr<Linear> linear_in_;
  std::unique_ptr<Conv2d> conv_in_;
  ModuleList<BasicTransformerBlock> transformer_blocks_;
  std::unique_ptr<Linear> linear_out_;
  std::unique_ptr<Conv2d> conv_out_;
};

}  // namespace sdxl
