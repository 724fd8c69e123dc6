#include "kernels/fused_ops.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cpu/attention.h"
#include "kernels/cpu/geglu.h"
#include "kernels/cpu/group_norm.h"
#include "kernels/cpu/im2col.h"
#include "kernels/cpu/winograd.h"
#include "kernels/feature_map.h"
#include "kernels/plugin_kernels.h"

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

bool wants_gradient(std::initializer_list<at::Tensor> tensors) {
  if (!at::GradMode::is_enabled()) return false;
  return std::any_of(tensors.begin(), tensors.end(), [](const at::Tensor& tensor) {
    return tensor.defined() && tensor.requires_grad();
  });
}

NormalisedMap normalised(const at::Tensor& input, const at::Tensor& shift, const at::Tensor& weight,
                         const at::Tensor& bias, const GroupNormOptions& options) {
  const auto forward = cpu_kernels_take(input) ? group_norm_forward : device_group_norm_forward;
  return forward(input, shift, weight, bias, options);
}

at::Tensor gated(const at::Tensor& values_and_gates) {
  const auto forward = cpu_kernels_take(values_and_gates) ? geglu_forward : device_geglu_forward;
  return forward(values_and_gates);
}

/// [B, C, H, W] with channels last -> [B * H * W, C], a view.
at::Tensor rows_of(const at::Tensor& map) { return tokens_of(map).flatten(0, 1); }

class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const std::optional<at::Tensor>& optional_shift,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                            double eps, bool silu) {
    const at::Tensor shift = optional_shift.value_or(at::Tensor());
    const NormalisedMap result = normalised(input, shift, weight, bias, {groups, eps, silu});
    context->save_for_backward({input, shift, weight, bias, result.mean, result.rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    return result.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const GroupNormOptions options{context->saved_data["groups"].toInt(),
                                   context->saved_data["eps"].toDouble(),
                                   context->saved_data["silu"].toBool()};
    const auto backward =
        cpu_kernels_take(saved[0]) ? group_norm_backward : device_group_norm_backward;
    const GroupNormGradients gradients = backward(output_gradients.at(0), saved[0], saved[1],
                                                  saved[2], saved[3], saved[4], saved[5], options);
    return {gradients.input, gradients.shift, gradients.weight, gradients.bias, {}, {}, {}};
  }
};

class GegluFunction : public torch::autograd::Function<GegluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& values_and_gates) {
    context->save_for_backward({values_and_gates});
    return gated(values_and_gates);
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const at::Tensor input = context->get_saved_variables().at(0);
    const auto backward = cpu_kernels_take(input) ? geglu_backward : device_geglu_backward;
    return {backward(output_gradients.at(0), input)};
  }
};

class ConvFunction : public torch::autograd::Function<ConvFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias) {
    context->save_for_backward({input, weight});
    return at::conv2d(input, weight, bias, 1, weight.size(2) / 2);
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1];
    const int64_t padding = weight.size(2) / 2;
    const at::Tensor gradient = output_gradients.at(0).contiguous(at::MemoryFormat::ChannelsLast);
    // 1. The input's, by the inverse convolution.
    at::Tensor to_input;
    if (context->needs_input_grad(0)) {
      to_input = std::get<0>(at::convolution_backward(
          gradient, input, weight, weight.sizes().slice(0, 1), {1, 1}, {padding, padding}, {1, 1},
          /*transposed=*/false, {0, 0}, 1, {true, false, false}));
    }
    // 2. The weight's: [O, cells] [cells, C * k * k].
    const at::Tensor rows = rows_of(gradient);  // [cells, O]
    const at::Tensor columns = padding == 0
                                   ? rows_of(input.contiguous(at::MemoryFormat::ChannelsLast))
                                   : im2col_3x3(input);
    const at::Tensor to_weight = at::mm(rows.t(), columns).view(weight.sizes());
    return {to_input, to_weight, rows.sum(0)};
  }
};

class WinogradFunction : public torch::autograd::Function<WinogradFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias,
                            const std::optional<at::Tensor>& residual) {
    if (weight.requires_grad()) context->save_for_backward({input});
    context->saved_data["weight"] = weight;
    context->saved_data["residual"] = residual.has_value();
    return winograd_conv2d(input, weight, bias, residual.value_or(at::Tensor()));
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const at::Tensor gradient = output_gradients.at(0).contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor to_input, to_weight, to_bias;
    if (context->needs_input_grad(0)) {
      to_input = winograd_input_gradient(gradient, context->saved_data["weight"].toTensor());
    }
    if (context->needs_input_grad(1)) {
      to_weight = winograd_weight_gradient(gradient, context->get_saved_variables().at(0));
    }
    if (context->needs_input_grad(2)) to_bias = rows_of(gradient).sum(0);
    const bool has_residual = context->saved_data["residual"].toBool();
    return {to_input, to_weight, to_bias, has_residual ? gradient : at::Tensor()};
  }
};

class AttentionFunction : public torch::autograd::Function<AttentionFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& query,
                            const at::Tensor& key, const at::Tensor& value, int64_t heads) {
    const AttentionResult result = cpu_attention(query, key, value, heads);
    context->save_for_backward({query, key, value, result.output, result.log_sum_exps});
    context->saved_data["heads"] = heads;
    return result.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const int64_t heads = context->saved_data["heads"].toInt();
    const AttentionGradients gradients =
        cpu_attention_backward(output_gradients.at(0).contiguous(), saved[0], saved[1], saved[2],
                               {saved[3], saved[4]}, heads);
    return {gradients.query, gradients.key, gradients.value, {}};
  }
};

}  // namespace

bool cpu_kernels_take(const at::Tensor& tensor) {
  return tensor.is_cpu() &&
         (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16);
}

std::optional<at::Tensor> fused_group_norm(const at::Tensor& input, const at::Tensor& shift,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           const GroupNormOptions& options) {
  if (!cpu_kernels_take(input) && !device_group_norm_takes(input, weight, bias, options)) {
    return std::nullopt;
  }
  if (!wants_gradient({input, shift, weight, bias})) {
    return normalised(input, shift, weight, bias, options).output;
  }
  const auto optional_shift = shift.defined() ? std::optional(shift) : std::nullopt;
  return GroupNormFunction::apply(input, optional_shift, weight, bias, options.groups, options.eps,
                                  options.silu);
}

std::optional<at::Tensor> fused_geglu(const at::Tensor& values_and_gates) {
  if (!cpu_kernels_take(values_and_gates) && !device_geglu_takes(values_and_gates)) {
    return std::nullopt;
  }
  if (!wants_gradient({values_and_gates})) return gated(values_and_gates);
  return GegluFunction::apply(values_and_gates);
}

at::Tensor cpu_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias) {
  return ConvFunction::apply(input, weight, bias);
}

at::Tensor winograd_conv2d_op(const at::Tensor& input, const at::Tensor& weight,
                              const at::Tensor& bias, const at::Tensor& residual) {
  if (!wants_gradient({input, weight, bias, residual})) {
    return winograd_conv2d(input, weight, bias, residual);
  }
  const auto optional_residual = residual.defined() ? std::optional(residual) : std::nullopt;
  return WinogradFunction::apply(input, weight, bias, optional_residual);
}

at::Tensor cpu_attention_op(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                            int64_t heads) {
  if (!wants_gradient({query, key, value})) return cpu_attention(query, key, value, heads).output;
  return AttentionFunction::apply(query, key, value, heads);
}

}  // namespace sdxl
