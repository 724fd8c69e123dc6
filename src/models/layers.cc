#include "models/layers.h"

#include <ATen/core/grad_mode.h>

#include <cmath>

#include "kernels/cpu/packed_weights.h"
#include "kernels/cpu/winograd.h"
#include "kernels/feature_map.h"
#include "kernels/frozen_conv.h"
#include "kernels/fused_ops.h"
#include "kernels/linear.h"

namespace sdxl {
namespace {

/// Kaiming-uniform with the slope sqrt(5) that torch.nn's constructors use; biases have the same
/// bound.
at::Tensor uniform_of_fan_in(int64_t fan_in, const std::vector<int64_t>& shape,
                             at::Generator generator) {
  const double bound = 1.0 / std::sqrt(static_cast<double>(fan_in));
  return at::empty(shape, at::kFloat).uniform_(-bound, bound, std::move(generator));
}

bool trains(const Conv2d& layer) {
  return at::GradMode::is_enabled() && layer.weight.requires_grad() && layer.bias.requires_grad();
}

/// Whether the convolution keeps the sides of its map, and the map is so small that reordering the
/// weight would take most of its gradient's time.
bool is_small_map(const Conv2d& layer, const at::Tensor& input) {
  constexpr int64_t kCells = 256;
  const bool keeps_sides =
      layer.stride == 1 && layer.kernel_size <= 3 && 2 * layer.padding + 1 == layer.kernel_size;
  return keeps_sides && input.size(0) * input.size(2) * input.size(3) <= kCells;
}

/// Whether the layer has the kernel size, stride and padding of Winograd's filters.
bool is_winograd_shape(const Conv2d& layer) {
  return layer.kernel_size == 3 && layer.stride == 1 && layer.padding == 1;
}

}  // namespace

at::Tensor LinearOverride::weight(const Linear& layer) const { return layer.weight.to(at::kFloat); }

Linear::Linear(Module* parent, std::string name, int64_t in_features, int64_t out_features,
               bool with_bias)
    : Module(parent, std::move(name)), in_features(in_features), out_features(out_features) {
  add_parameter("weight", &weight, {out_features, in_features});
  if (with_bias) add_parameter("bias", &bias, {out_features});
}

at::Tensor Linear::forward(const at::Tensor& input) const {
  return override_ ? override_->forward(*this, input) : base_forward(input);
}

at::Tensor Linear::forward_add(const at::Tensor& input, const at::Tensor& residual) const {
  if (!override_ && is_packed(weight)) return packed_linear(input, weight, bias, residual);
  if (!override_ && cpu_linear_pays(input, weight))
    return cpu_linear(input, weight, bias, residual);
  return forward(input) + residual;
}

at::Tensor Linear::base_forward(const at::Tensor& input) const {
  if (is_packed(weight)) return packed_linear(input, weight, bias);
  if (cpu_linear_pays(input, weight)) return cpu_linear(input, weight, bias);
  return at::linear(input, weight, bias);
}

at::Tensor Linear::initial_value(const std::string&, const std::vector<int64_t>& shape,
                                 const at::Generator& generator) const {
  return uniform_of_fan_in(in_features, shape, generator);
}

void Linear::parameters_changed(bool for_inference) {
  if (for_inference) weight = packed_linear_weight(weight);
}

Conv2d::Conv2d(Module* parent, std::string name, int64_t in_channels, int64_t out_channels,
               int64_t kernel_size, int64_t stride, int64_t padding)
    : Module(parent, std::move(name)),
      in_channels(in_channels),
      out_channels(out_channels),
      kernel_size(kernel_size),
      stride(stride),
      padding(padding) {
  add_parameter("weight", &weight, {out_channels, in_channels, kernel_size, kernel_size});
  add_parameter("bias", &bias, {out_channels});
}

at::Tensor Conv2d::forward(const at::Tensor& input) const {
  return override_ ? override_->forward(*this, input) : base_forward(input);
}

at::Tensor Conv2d::forward_add(const at::Tensor& input, const at::Tensor& residual) const {
  if (!override_ && is_packed(weight)) {
    return packed_conv2d(input, weight, bias, {stride, padding}, residual);
  }
  if (!override_ && is_winograd_shape(*this) && winograd_takes(input, weight)) {
    return winograd(input, residual);
  }
  return forward(input) + residual;
}

at::Tensor Conv2d::base_forward(const at::Tensor& input) const {
  if (is_packed(weight)) return packed_conv2d(input, weight, bias, {stride, padding});
  if (is_winograd_shape(*this) && winograd_takes(input, weight)) {
    return winograd(input, {});
  }
  if (kernel_size == 1 && stride == 1 && padding == 0) {
    // A 1x1 convolution is a linear layer for each cell.
    const at::Tensor matrix = weight.flatten(1), tokens = tokens_of(input);
    if (cpu_linear_pays(tokens, matrix)) {
      return feature_map_of(cpu_linear(tokens, matrix, bias), input.size(2), input.size(3));
    }
  }
  if (cpu_kernels_take(input) && trains(*this) && is_small_map(*this, input)) {
    return cpu_conv2d(input, weight, bias);
  }
  const bool only_input = at::GradMode::is_enabled() && input.requires_grad() &&
                          !weight.requires_grad() && !bias.requires_grad();
  return only_input ? frozen_conv2d(input, weight, bias, stride, padding)
                    : at::conv2d(input, weight, bias, stride, padding);
}

at::Tensor Conv2d::winograd(const at::Tensor& input, const at::Tensor& residual) const {
  if (!for_inference_) return winograd_conv2d_op(input, weight, bias, residual);
  return winograd_conv2d(input, weight, bias, residual, WinogradTile::k4x4);
}

at::Tensor Conv2d::initial_value(const std::string&, const std::vector<int64_t>& shape,
                                 const at::Generator& generator) const {
  return uniform_of_fan_in(in_channels * kernel_size * kernel_size, shape, generator);
}

void Conv2d::parameters_changed(bool for_inference) {
  for_inference_ = for_inference;
  const bool is_plain = is_winograd_shape(*this) && winograd_takes(weight);
  if (for_inference && !is_plain) weight = packed_conv_weight(weight, {stride, padding});
}

GroupNorm::GroupNorm(Module* parent, std::string name, int64_t groups, int64_t channels, double eps)
    : Module(parent, std::move(name)), groups(groups), channels(channels), eps(eps) {
  add_parameter("weight", &weight, {channels});
  add_parameter("bias", &bias, {channels});
}

at::Tensor GroupNorm::forward(const at::Tensor& input) const {
  if (auto fused = fused_group_norm(input, {}, weight, bias, {groups, eps, /*silu=*/false})) {
    return *fused;
  }
  return at::group_norm(input, groups, weight, bias, eps);
}

at::Tensor GroupNorm::forward_silu(const at::Tensor& input, const at::Tensor& shift) const {
  if (auto fused = fused_group_norm(input, shift, weight, bias, {groups, eps, /*silu=*/true})) {
    return *fused;
  }
  const at::Tensor shifted = shift.defined() ? input + shift.unsqueeze(-1).unsqueeze(-1) : input;
  return at::silu(at::group_norm(shifted, groups, weight, bias, eps));
}

LayerNorm::LayerNorm(Module* parent, std::string name, int64_t features, double eps)
    : Module(parent, std::move(name)), features(features), eps(eps) {
  add_parameter("weight", &weight, {features});
  add_parameter("bias", &bias, {features});
}

at::Tensor LayerNorm::forward(const at::Tensor& input) const {
  return at::layer_norm(input, {features}, weight, bias, eps);
}

Embedding::Embedding(Module* parent, std::string name, int64_t count, int64_t features)
    : Module(parent, std::move(name)), count(count), features(features) {
  add_parameter("weight", &weight, {count, features});
}

at::Tensor Embedding::forward(const at::Tensor& ids) const { return at::embedding(weight, ids); }

at::Tensor Embedding::initial_value(const std::string&, const std::vector<int64_t>& shape,
                                    const at::Generator& generator) const {
  return at::randn(shape, generator, at::kFloat);
}

}  // namespace sdxl
