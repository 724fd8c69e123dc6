#include "kernels/plugin_kernels.h"

#include "device/operators.h"

namespace sdxl {
namespace {

/// The plugin's operators if they take `tensor`.
const sdxl_operators* operators_taking(const at::Tensor& tensor) {
  if (!operator_type(tensor.scalar_type())) return nullptr;
  return operators_for(tensor.device());
}

const void* pointer(const at::Tensor& tensor) {
  return tensor.defined() ? tensor.const_data_ptr() : nullptr;
}

sdxl_group_norm shape_of(const at::Tensor& input, const GroupNormOptions& options) {
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

at::Tensor channels_last(const at::Tensor& map) {
  return map.contiguous(at::MemoryFormat::ChannelsLast);
}

/// The shift as the operators read it; undefined stays so.
at::Tensor dense_shift(const at::Tensor& shift, const at::Tensor& input) {
  return shift.defined() ? shift.to(input.scalar_type()).contiguous() : shift;
}

}  // namespace

bool device_group_norm_takes(const at::Tensor& input, const at::Tensor& weight,
                             const at::Tensor& bias, const GroupNormOptions& options) {
  const sdxl_operators* operators = operators_taking(input);
  if (operators == nullptr || input.dim() != 4 || weight.scalar_type() != input.scalar_type() ||
      bias.scalar_type() != input.scalar_type()) {
    return false;
  }
  const sdxl_group_norm shape = shape_of(input, options);
  return operators->group_norm_workspace(&shape) != 0;
}

NormalisedMap device_group_norm_forward(const at::Tensor& input, const at::Tensor& shift,
                                        const at::Tensor& weight, const at::Tensor& bias,
                                        const GroupNormOptions& options) {
  const sdxl_operators* operators = operators_for(input.device());
  const sdxl_group_norm shape = shape_of(input, options);
  const at::Tensor map = channels_last(input), row = dense_shift(shift, input);
  NormalisedMap result{at::empty_like(map), floats(map, {shape.batch, shape.groups}),
                       floats(map, {shape.batch, shape.groups})};
  const at::Tensor workspace = floats(map, {operators->group_norm_workspace(&shape)});
  require_queued(
      operators->group_norm_forward(&shape, pointer(map), pointer(row), pointer(weight),
                                    pointer(bias), result.output.mutable_data_ptr(),
                                    result.mean.data_ptr<float>(), result.rstd.data_ptr<float>(),
                                    workspace.data_ptr<float>(), current_stream(map.device())),
      "group norm");
  return result;
}

GroupNormGradients device_group_norm_backward(const at::Tensor& output_gradient,
                                              const at::Tensor& input, const at::Tensor& shift,
                                              const at::Tensor& weight, const at::Tensor& bias,
                                              const at::Tensor& mean, const at::Tensor& rstd,
                                              const GroupNormOptions& options) {
  const sdxl_operators* operators = operators_for(input.device());
  const sdxl_group_norm shape = shape_of(input, options);
  const at::Tensor map = channels_last(input), row = dense_shift(shift, input);
  const at::Tensor gradient = channels_last(output_gradient);
  GroupNormGradients result;
  result.input = at::empty_like(map);
  const bool weights_train = weight.requires_grad() || bias.requires_grad();
  at::Tensor to_weight, to_bias;
  if (weights_train) {
    to_weight = floats(map, {shape.channels});
    to_bias = floats(map, {shape.channels});
  }
  const at::Tensor workspace = floats(map, {operators->group_norm_workspace(&shape)});
  require_queued(
      operators->group_norm_backward(&shape, pointer(gradient), pointer(map), pointer(row),
                                     pointer(weight), pointer(bias), mean.const_data_ptr<float>(),
                                     rstd.const_data_ptr<float>(), result.input.mutable_data_ptr(),
                                     weights_train ? to_weight.data_ptr<float>() : nullptr,
                                     weights_train ? to_bias.data_ptr<float>() : nullptr,
                                     workspace.data_ptr<float>(), current_stream(map.device())),
      "group norm's gradient");
  if (shift.defined() && shift.requires_grad()) result.shift = result.input.sum({2, 3});
  if (weights_train) {
    result.weight = to_weight.to(weight.scalar_type());
    result.bias = to_bias.to(bias.scalar_type());
  }
  return result;
}

bool device_geglu_takes(const at::Tensor& values_and_gates) {
  constexpr int64_t kVector = 8;
  return operators_taking(values_and_gates) != nullptr && values_and_gates.numel() != 0 &&
         values_and_gates.size(-1) % (2 * kVector) == 0;
}

at::Tensor device_geglu_forward(const at::Tensor& values_and_gates) {
  const at::Tensor input = values_and_gates.contiguous();
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

at::Tensor device_geglu_backward(const at::Tensor& output_gradient,
                                 const at::Tensor& values_and_gates) {
  const at::Tensor input = values_and_gates.contiguous();
  const at::Tensor gradient = output_gradient.contiguous();
  at::Tensor to_input = at::empty_like(input);
  const int64_t width = input.size(-1) / 2;
  require_queued(operators_for(input.device())
                     ->geglu_backward(*operator_type(input.scalar_type()), gradient.numel() / width,
                                      width, pointer(gradient), pointer(input),
                                      to_input.mutable_data_ptr(), current_stream(input.device())),
                 "GEGLU's gradient");
  return to_input;
}

}  // namespace sdxl
