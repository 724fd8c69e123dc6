#include "lora/lora_layers.h"

#include <ATen/core/grad_mode.h>

#include "device/random.h"
#include "kernels/linear.h"
#include "models/gradient_checkpointing.h"

namespace sdxl {
namespace {

/// Masks must be the same when a block is recomputed in the backward pass, and for any batch size:
/// each layer of each draw has its generator. New matrices use the first indices of the stream.
constexpr uint64_t kDropoutIndices = uint64_t{1} << 40;

bool drops(const LoraShared& shared) {
  return shared.options.dropout > 0 && !shared.draws.empty() && gradients_wanted();
}

at::Tensor dropped(const LoraAdapter& adapter, const at::Tensor& input) {
  const LoraShared& shared = *adapter.shared;
  const double p = shared.options.dropout;
  std::vector<at::Tensor> kept;
  for (const int64_t draw : shared.draws) {
    const auto place = static_cast<uint64_t>(draw * shared.adapter_count + adapter.index);
    const at::Generator generator =
        stream_generator(shared.seed, Stream::kWeights, kDropoutIndices + place);
    kept.push_back(at::rand(input.sizes().slice(1), generator, at::kFloat).ge(p));
  }
  const at::Tensor mask = at::stack(kept).to(input.device(), input.scalar_type());
  return input * mask.div_(1 - p);
}

/// DoRA multiplies the layer's output without bias by magnitude / length, where length is that of
/// each row of W + scaling * up @ down and no gradient flows through it (Liu et al. 2024, section
/// 4.3). Returns this factor less one, which keeps more digits in half precision.
at::Tensor dora_excess(const LoraAdapter& adapter) {
  at::Tensor length;
  {
    const at::NoGradGuard no_grad;
    length = at::addmm(adapter.frozen_weight(), adapter.up.flatten(1), adapter.down.flatten(1), 1.0,
                       adapter.shared->scaling())
                 .norm(2, {1});
  }
  return adapter.magnitude / length - 1;  // [out]
}

/// The arithmetic that depends on the kind of layer.
template <typename Layer, typename Override>
struct Kind;

template <>
struct Kind<Linear, LinearOverride> {
  /// base + scaling * up @ down @ input. The products are of two matrices: no sum of the result's
  /// size is made besides the result.
  static at::Tensor add_product(const Linear&, const at::Tensor& base, const at::Tensor& input,
                                const at::Tensor& down, const at::Tensor& up, double scaling) {
    const at::Tensor rows = input.reshape({-1, input.size(-1)});  // [N, in]
    const at::Tensor hidden = at::mm(rows, down.t());             // [N, r]
    return at::addmm(base.reshape({-1, base.size(-1)}), hidden, up.t(), 1.0, scaling)
        .view(base.sizes());
  }
  static at::Tensor spread(const at::Tensor& per_output) { return per_output; }
  /// Layer and adapter as one operator; undefined if no operator takes them.
  static at::Tensor fused(const Linear& layer, const at::Tensor& input, const at::Tensor& down,
                          const at::Tensor& up, double scaling) {
    if (!cpu_linear_takes(input, layer.weight)) return {};
    return cpu_lora_linear(input, layer.weight, layer.bias, down, up, scaling);
  }
};

template <>
struct Kind<Conv2d, ConvOverride> {
  static at::Tensor add_product(const Conv2d& layer, const at::Tensor& base,
                                const at::Tensor& input, const at::Tensor& down,
                                const at::Tensor& up, double scaling) {
    const at::Tensor hidden = at::conv2d(input, down, {}, layer.stride, layer.padding);
    return at::add(base, at::conv2d(hidden, up), scaling);
  }
  static at::Tensor spread(const at::Tensor& per_output) { return per_output.view({-1, 1, 1}); }
  static at::Tensor fused(const Conv2d&, const at::Tensor&, const at::Tensor&, const at::Tensor&,
                          double) {
    return {};
  }
};

template <typename Layer, typename Override>
class LoraOverride : public Override {
 public:
  LoraOverride(std::shared_ptr<const LoraAdapter> adapter, std::shared_ptr<const Override> former)
      : adapter_(std::move(adapter)), former_(std::move(former)) {}

  /// The matrices compute in the dtype of the input; their gradients arrive in float32.
  at::Tensor forward(const Layer& layer, const at::Tensor& input) const override {
    const LoraShared& shared = *adapter_->shared;
    if (shared.enabled && !former_ && !adapter_->magnitude.defined() && !drops(shared)) {
      const at::Tensor output =
          KindOf::fused(layer, input, adapter_->down, adapter_->up, shared.scaling());
      if (output.defined()) return output;
    }
    const at::Tensor base = former_forward(layer, input);
    if (!shared.enabled) return base;
    const at::ScalarType dtype = input.scalar_type();
    const at::Tensor down = adapter_->down.to(dtype), up = adapter_->up.to(dtype);
    if (!drops(shared)) {
      const at::Tensor sum = KindOf::add_product(layer, base, input, down, up, shared.scaling());
      if (!adapter_->magnitude.defined()) return sum;
      const at::Tensor excess = KindOf::spread(dora_excess(*adapter_).to(dtype));
      return at::addcmul(sum, without_bias(layer, sum), excess);
    }
    const at::Tensor kept = dropped(*adapter_, input);
    const at::Tensor sum = KindOf::add_product(layer, base, kept, down, up, shared.scaling());
    if (!adapter_->magnitude.defined()) return sum;
    // As in PEFT, the magnitudes' change is computed from the input after dropout.
    const at::Tensor excess = KindOf::spread(dora_excess(*adapter_).to(dtype));
    const at::Tensor whole = KindOf::add_product(
        layer, without_bias(layer, former_forward(layer, kept)), kept, down, up, shared.scaling());
    return at::addcmul(sum, whole, excess);
  }

 private:
  using KindOf = Kind<Layer, Override>;

  at::Tensor former_forward(const Layer& layer, const at::Tensor& input) const {
    return former_ ? former_->forward(layer, input) : layer.base_forward(input);
  }
  static at::Tensor without_bias(const Layer& layer, const at::Tensor& output) {
    return layer.bias.defined() ? output - KindOf::spread(layer.bias) : output;
  }

  std::shared_ptr<const LoraAdapter> adapter_;
  std::shared_ptr<const Override> former_;
};

}  // namespace

at::Tensor LoraAdapter::frozen_weight() const {
  if (conv) return conv->weight.to(at::kFloat).flatten(1);
  return former_linear ? former_linear->weight(*linear) : linear->weight.to(at::kFloat);
}

at::Device LoraAdapter::device() const {
  return linear ? linear->weight.device() : conv->weight.device();
}

void put_on(const std::shared_ptr<LoraAdapter>& adapter) {
  if (adapter->linear) {
    adapter->linear->override_ =
        std::make_shared<LoraOverride<Linear, LinearOverride>>(adapter, adapter->former_linear);
  } else {
    adapter->conv->override_ =
        std::make_shared<LoraOverride<Conv2d, ConvOverride>>(adapter, adapter->former_conv);
  }
}

void take_off(const LoraAdapter& adapter) {
  if (adapter.linear) adapter.linear->override_ = adapter.former_linear;
  if (adapter.conv) adapter.conv->override_ = adapter.former_conv;
}

}  // namespace sdxl
