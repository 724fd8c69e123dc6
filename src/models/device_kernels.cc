// Autograd functions over the plugin's operators.
#include "models/device_kernels.h"

#include <torch/csrc/autograd/custom_function.h>

#include "device/operators.h"

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The plugin's operators if they take `tensor`.
const sdxl_operators* operators_taking(const at::Tensor& tensor) {
  if (!operator_type(tensor.scalar_type())) return nullptr;
  return operators_for(tensor.device());
}

bool wants_gradient(std::initializer_list<at::Tensor> tensors) {
  if (!at::GradMode::is_enabled()) return false;
  for (const at::Tensor& tensor : tensors) {
    if (tensor.defined() && tensor.requires_grad()) return true;
  }
  return false;
}

/// Null for an empty tensor, which stands for an absent one: autograd functions take no undefined
/// tensors.
const void* pointer(const at::Tensor& tensor) {
  return tensor.numel() > 0 ? tensor.const_data_ptr() : nullptr;
}

sdxl_group_norm shape_of(const at::Tensor& input, const FusedGroupNorm& options) {
  sdxl_group_norm shape{};
  shape.type = *operator_type(input.scalar_type());
  shape.groups = static_cast<int32_t>(options.groups);
  shape.batch = input.size(0);
  shape.cells = input.size(2) * input.size(3);
  shape.channels = input.size(1);
  shape.epsilon = static_cast<float>(options.eps);
  shape.silu = options.silu ? 1 : 0;
  return shape;
}

at::Tensor floats(const at::Tensor& like, at::IntArrayRef sizes) {
  return at::empty(sizes, like.options().dtype(at::kFloat).requires_grad(false));
}

struct Normalised {
  at::Tensor output, mean, rstd;
};

/// `input` lies with channels last.
Normalised normalise(const at::Tensor& input, const at::Tensor& shift, const at::Tensor& weight,
                     const at::Tensor& bias, const FusedGroupNorm& options) {
  const sdxl_operators* operators = operators_for(input.device());
  const sdxl_group_norm shape = shape_of(input, options);
  Normalised result{at::empty_like(input), floats(input, {shape.batch, shape.groups}),
                    floats(input, {shape.batch, shape.groups})};
  const at::Tensor workspace = floats(input, {operators->group_norm_workspace(&shape)});
  require_queued(
      operators->group_norm_forward(&shape, pointer(input), pointer(shift), pointer(weight),
                                    pointer(bias), result.output.mutable_data_ptr(),
                                    result.mean.data_ptr<float>(), result.rstd.data_ptr<float>(),
                                    workspace.data_ptr<float>(), current_stream(input.device())),
      "group norm");
  return result;
}

class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const std::optional<at::Tensor>& optional_shift,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t groups,
                            double eps, bool silu) {
    const at::Tensor shift = optional_shift.value_or(at::Tensor());
    const Normalised result = normalise(input, shift, weight, bias, {groups, eps, silu});
    context->save_for_backward({input, shift, weight, bias, result.mean, result.rstd});
    context->saved_data["groups"] = groups;
    context->saved_data["eps"] = eps;
    context->saved_data["silu"] = silu;
    return result.output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &shift = saved[1], &weight = saved[2], &bias = saved[3];
    const FusedGroupNorm options{context->saved_data["groups"].toInt(),
                                 context->saved_data["eps"].toDouble(),
                                 context->saved_data["silu"].toBool()};
    const sdxl_operators* operators = operators_for(input.device());
    const sdxl_group_norm shape = shape_of(input, options);
    const at::Tensor gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor to_input = at::empty_like(input);
    const bool weights_train = weight.requires_grad() || bias.requires_grad();
    at::Tensor to_weight, to_bias;
    if (weights_train) {
      to_weight = floats(input, {shape.channels});
      to_bias = floats(input, {shape.channels});
    }
    const at::Tensor workspace = floats(input, {operators->group_norm_workspace(&shape)});
    require_queued(
        operators->group_norm_backward(
            &shape, pointer(gradient), pointer(input), pointer(shift), pointer(weight),
            pointer(bias), saved[4].const_data_ptr<float>(), saved[5].const_data_ptr<float>(),
            to_input.mutable_data_ptr(), weights_train ? to_weight.data_ptr<float>() : nullptr,
            weights_train ? to_bias.data_ptr<float>() : nullptr, workspace.data_ptr<float>(),
            current_stream(input.device())),
        "group norm's gradient");
    at::Tensor to_shift;
    if (shift.numel() > 0 && shift.requires_grad()) to_shift = to_input.sum({2, 3});
    if (weights_train) {
      to_weight = to_weight.to(weight.scalar_type());
      to_bias = to_bias.to(bias.scalar_type());
    }
    return {to_input, to_shift, to_weight, to_bias, {}, {}, {}};
  }
};

at::Tensor multiply_by_gelu(const at::Tensor& input) {
  const int64_t width = input.size(-1) / 2;
  std::vector<int64_t> sizes = input.sizes().vec();
  sizes.back() = width;
  at::Tensor output = at::empty(sizes, input.options().requires_grad(false));
  require_queued(operators_for(input.device())
                     ->geglu_forward(*operator_type(input.scalar_type()), output.numel() / width,
                                     width, pointer(input), output.mutable_data_ptr(),
                                     current_stream(input.device())),
                 "GEGLU");
  return output;
}

class GegluFunction : public torch::autograd::Function<GegluFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input) {
    context->save_for_backward({input});
    return multiply_by_gelu(input);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const at::Tensor input = context->get_saved_variables()[0];
    const at::Tensor gradient = gradients[0].contiguous();
    at::Tensor to_input = at::empty_like(input);
    const int64_t width = input.size(-1) / 2;
    require_queued(
        operators_for(input.device())
            ->geglu_backward(*operator_type(input.scalar_type()), gradient.numel() / width, width,
                             pointer(gradient), pointer(input), to_input.mutable_data_ptr(),
                             current_stream(input.device())),
        "GEGLU's gradient");
    return {to_input};
  }
};

}  // namespace

std::optional<at::Tensor> fused_group_norm(const at::Tensor& input, const at::Tensor& shift,
                                           const at::Tensor& weight, const at::Tensor& bias,
                                           const FusedGroupNorm& options) {
  const sdxl_operators* operators = operators_taking(input);
  if (operators == nullptr || input.dim() != 4 || weight.scalar_type() != input.scalar_type() ||
      bias.scalar_type() != input.scalar_type()) {
    return std::nullopt;
  }
  const sdxl_group_norm shape = shape_of(input, options);
  if (operators->group_norm_workspace(&shape) == 0) return std::nullopt;
  const at::Tensor map = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor row = shift.defined() ? shift.to(input.scalar_type()).contiguous()
                                         : at::empty({0}, input.options().requires_grad(false));
  if (!wants_gradient({map, row, weight, bias})) {
    return normalise(map, row, weight, bias, options).output;
  }
  const auto optional_row = row.defined() ? std::optional(row) : std::nullopt;
  return GroupNormFunction::apply(map, optional_row, weight, bias, options.groups, options.eps,
                                  options.silu);
}

std::optional<at::Tensor> fused_geglu(const at::Tensor& values_and_gates) {
  constexpr int64_t kVector = 8;
  const sdxl_operators* operators = operators_taking(values_and_gates);
  if (operators == nullptr || values_and_gates.numel() == 0 ||
      values_and_gates.size(-1) % (2 * kVector) != 0) {
    return std::nullopt;
  }
  const at::Tensor input = values_and_gates.contiguous();
  if (!wants_gradient({input})) return multiply_by_gelu(input);
  return GegluFunction::apply(input);
}

}  // namespace sdxl
