#include "models/unet_blocks.h"

#include "base/text.h"
#include "models/gradient_checkpointing.h"

namespace sdxl {

UNetStage::UNetStage(Module* parent, std::string name, const UNetStageOptions& options)
    : Module(parent, std::move(name)) {
  for (size_t i = 0; i < options.transformer_layers.size(); ++i) {
    Transformer2DOptions transformer;
    transformer.channels = options.channels;
    transformer.heads = options.heads;
    transformer.layers = options.transformer_layers[i];
    transformer.context_features = options.context_features;
    transformer.groups = options.groups;
    transformer.use_linear_projection = options.use_linear_projection;
    attentions_.emplace_back(this, str("attentions.", i), transformer);
  }
  for (size_t i = 0; i < options.input_channels.size(); ++i) {
    ResnetOptions resnet;
    resnet.in_channels = options.input_channels[i];
    resnet.out_channels = options.channels;
    resnet.time_features = options.time_features;
    resnet.groups = options.groups;
    resnet.eps = options.eps;
    resnets_.emplace_back(this, str("resnets.", i), resnet);
  }
}

at::Tensor UNetStage::resnet(size_t index, const at::Tensor& hidden,
                             const UNetConditioning& conditioning) const {
  const ResnetBlock2D& block = resnets_[index];
  return run_block(conditioning.recompute, {hidden, conditioning.time_activation},
                   [&block](const std::vector<at::Tensor>& inputs) {
                     return block.forward(inputs[0], inputs[1]);
                   });
}

at::Tensor UNetStage::resnet(size_t index, const at::Tensor& hidden, const at::Tensor& skip,
                             const UNetConditioning& conditioning) const {
  const ResnetBlock2D& block = resnets_[index];
  return run_block(conditioning.recompute, {hidden, skip, conditioning.time_activation},
                   [&block](const std::vector<at::Tensor>& inputs) {
                     return block.forward(at::cat({inputs[0], inputs[1]}, 1), inputs[2]);
                   });
}

at::Tensor UNetStage::attention(size_t index, const at::Tensor& hidden,
                                const UNetConditioning& conditioning) const {
  if (attentions_.empty()) return hidden;
  return attentions_[index].forward(hidden, conditioning.encoder_hidden_states,
                                    conditioning.recompute, conditioning.key_values);
}

UNetDownBlock::UNetDownBlock(Module* parent, std::string name, const UNetStageOptions& options,
                             bool with_downsampler, int64_t downsample_padding)
    : UNetStage(parent, std::move(name), options) {
  if (!with_downsampler) return;
  downsampler_ =
      std::make_unique<Downsample2D>(this, "downsamplers.0", options.channels, downsample_padding);
}

at::Tensor UNetDownBlock::forward(at::Tensor hidden, const UNetConditioning& conditioning,
                                  std::vector<at::Tensor>* skips) const {
  for (size_t i = 0; i < size(); ++i) {
    hidden = attention(i, resnet(i, hidden, conditioning), conditioning);  // [B, channels, H, W]
    skips->push_back(hidden);
  }
  if (downsampler_) {
    hidden = downsampler_->forward(hidden);  // [B, channels, H / 2, W / 2]
    skips->push_back(hidden);
  }
  return hidden;
}

at::Tensor UNetMidBlock::forward(at::Tensor hidden, const UNetConditioning& conditioning) const {
  hidden = resnet(0, hidden, conditioning);
  for (size_t i = 1; i < size(); ++i) {
    hidden = resnet(i, attention(i - 1, hidden, conditioning), conditioning);
  }
  return hidden;
}

UNetUpBlock::UNetUpBlock(Module* parent, std::string name, const UNetStageOptions& options,
                         bool with_upsampler)
    : UNetStage(parent, std::move(name), options) {
  if (!with_upsampler) return;
  upsampler_ = std::make_unique<Upsample2D>(this, "upsamplers.0", options.channels);
}

at::Tensor UNetUpBlock::forward(at::Tensor hidden, const UNetConditioning& conditioning,
                                std::vector<at::Tensor>* skips) const {
  for (size_t i = 0; i < size(); ++i) {
    const at::Tensor skip = std::move(skips->back());
    skips->pop_back();
    hidden =
        attention(i, resnet(i, hidden, skip, conditioning), conditioning);  // [B, channels, H, W]
  }
  if (!upsampler_) return hidden;
  const at::Tensor& next = skips->back();
  return upsampler_->forward(hidden, std::array{next.size(2), next.size(3)});
}

}  // namespace sdxl
