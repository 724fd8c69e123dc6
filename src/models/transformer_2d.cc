#include "models/transformer_2d.h"

#include "base/text.h"
#include "kernels/feature_map.h"
#include "models/gradient_checkpointing.h"

namespace sdxl {

BasicTransformerBlock::BasicTransformerBlock(Module* parent, std::string name, int64_t features,
                                             int64_t heads, int64_t context_features)
    : Module(parent, std::move(name)),
      norm1_(this, "norm1", features),
      attn1_(this, "attn1", {features, features, heads, features / heads}),
      norm2_(this, "norm2", features),
      attn2_(this, "attn2", {features, context_features, heads, features / heads}),
      norm3_(this, "norm3", features),
      ff_(this, "ff", features) {}

at::Tensor BasicTransformerBlock::forward(const at::Tensor& hidden, const at::Tensor& context,
                                          KeyValueCache* cache) const {
  // 1. Self-attention, [B, S, D] throughout.
  at::Tensor normed = norm1_.forward(hidden);
  at::Tensor result = attn1_.forward(normed, normed, hidden);
  // 2. Attention to the prompt.
  result = attn2_.forward(norm2_.forward(result), context, result, cache);
  // 3. Feed-forward.
  return ff_.forward(norm3_.forward(result), result);
}

Transformer2DModel::Transformer2DModel(Module* parent, std::string name,
                                       const Transformer2DOptions& options)
    : Module(parent, std::move(name)), norm_(this, "norm", options.groups, options.channels, 1e-6) {
  // The heads' width is rounded down, so that the tokens may be narrower than the feature map.
  const int64_t features = options.channels / options.heads * options.heads;
  if (options.use_linear_projection) {
    linear_in_ = std::make_unique<Linear>(this, "proj_in", options.channels, features);
  } else {
    conv_in_ = std::make_unique<Conv2d>(this, "proj_in", options.channels, features, 1);
  }
  for (int64_t i = 0; i < options.layers; ++i) {
    transformer_blocks_.emplace_back(this, str("transformer_blocks.", i), features, options.heads,
                                     options.context_features);
  }
  if (options.use_linear_projection) {
    linear_out_ = std::make_unique<Linear>(this, "proj_out", features, options.channels);
  } else {
    conv_out_ = std::make_unique<Conv2d>(this, "proj_out", features, options.channels, 1);
  }
}

at::Tensor Transformer2DModel::forward(const at::Tensor& feature_map, const at::Tensor& context,
                                       bool recompute, KeyValueCache* cache) const {
  // 1. Feature map to tokens.
  at::Tensor hidden = project_in(norm_.forward(feature_map));  // [B, H * W, D]
  // 2. Blocks.
  for (const BasicTransformerBlock& block : transformer_blocks_) {
    hidden = run_block(recompute, {hidden, context},
                       [&block, cache](const std::vector<at::Tensor>& inputs) {
                         return block.forward(inputs[0], inputs[1], cache);
                       });
  }
  // 3. Tokens to feature map.
  return project_out(hidden, feature_map);
}

at::Tensor Transformer2DModel::project_in(const at::Tensor& feature_map) const {
  if (linear_in_) return linear_in_->forward(tokens_of(feature_map));
  return tokens_of(conv_in_->forward(feature_map));
}

at::Tensor Transformer2DModel::project_out(const at::Tensor& tokens,
                                           const at::Tensor& residual) const {
  const int64_t height = residual.size(2), width = residual.size(3);
  if (linear_out_) {
    return feature_map_of(linear_out_->forward_add(tokens, tokens_of(residual)), height, width);
  }
  return conv_out_->forward_add(feature_map_of(tokens, height, width), residual);
}

}  // namespace sdxl
