#include "models/resnet.h"

namespace sdxl {

ResnetBlock2D::ResnetBlock2D(Module* parent, std::string name, const ResnetOptions& options)
    : Module(parent, std::move(name)),
      norm1_(this, "norm1", options.groups, options.in_channels, options.eps),
      conv1_(this, "conv1", options.in_channels, options.out_channels, 3, 1, 1),
      time_emb_proj_(options.time_features == 0
                         ? nullptr
                         : std::make_unique<Linear>(this, "time_emb_proj", options.time_features,
                                                    options.out_channels)),
      norm2_(this, "norm2", options.groups, options.out_channels, options.eps),
      conv2_(this, "conv2", options.out_channels, options.out_channels, 3, 1, 1),
      conv_shortcut_(options.in_channels == options.out_channels
                         ? nullptr
                         : std::make_unique<Conv2d>(this, "conv_shortcut", options.in_channels,
                                                    options.out_channels, 1)) {}

at::Tensor ResnetBlock2D::forward(const at::Tensor& input,
                                  const at::Tensor& time_activation) const {
  const at::Tensor hidden = conv1_.forward(norm1_.forward_silu(input));  // [B, out, H, W]
  at::Tensor shift;
  if (time_emb_proj_) shift = time_emb_proj_->forward(time_activation);  // [B, out]
  return conv2_.forward_add(norm2_.forward_silu(hidden, shift),
                            conv_shortcut_ ? conv_shortcut_->forward(input) : input);
}

Downsample2D::Downsample2D(Module* parent, std::string name, int64_t channels, int64_t padding)
    : Module(parent, std::move(name)), conv_(this, "conv", channels, channels, 3, 2, padding) {}

at::Tensor Downsample2D::forward(const at::Tensor& input) const {
  if (conv_.padding > 0) return conv_.forward(input);
  return conv_.forward(at::constant_pad_nd(input, {0, 1, 0, 1}));
}

Upsample2D::Upsample2D(Module* parent, std::string name, int64_t channels)
    : Module(parent, std::move(name)), conv_(this, "conv", channels, channels, 3, 1, 1) {}

at::Tensor Upsample2D::forward(const at::Tensor& input,
                               std::optional<std::array<int64_t, 2>> size) const {
  const std::array<int64_t, 2> sides =
      size.value_or(std::array{input.size(2) * 2, input.size(3) * 2});
  return conv_.forward(at::upsample_nearest2d(input, sides));
}

}  // namespace sdxl
