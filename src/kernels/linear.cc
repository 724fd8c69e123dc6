#include "kernels/linear.h"

#include <torch/csrc/autograd/custom_function.h>

#include "kernels/cpu/avx512.h"
#include "kernels/cpu/matmul.h"

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using OptionalTensor = std::optional<at::Tensor>;

OptionalTensor if_defined(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

/// [.., D] -> [rows, D], with rows one after the other.
at::Tensor matrix_of(const at::Tensor& tensor) {
  return tensor.reshape({-1, tensor.size(-1)}).contiguous();
}

std::vector<int64_t> with_last(const at::Tensor& tensor, int64_t size) {
  std::vector<int64_t> sizes = tensor.sizes().vec();
  sizes.back() = size;
  return sizes;
}

int64_t padded_rank(const at::Tensor& down) { return (down.size(0) + 15) / 16 * 16; }

class LinearFunction : public torch::autograd::Function<LinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const OptionalTensor& bias,
                            const OptionalTensor& residual) {
    const at::Tensor rows = matrix_of(input);
    const at::Tensor output = at::empty(with_last(input, weight.size(0)), input.options());
    ProductOptions options{input.scalar_type()};
    if (bias) options.bias = *bias;
    if (residual) options.residual = matrix_of(*residual);
    cpu_matmul({{rows, weight.t()}}, options, output.view({-1, weight.size(0)}));
    // What is not trained needs no input.
    if (weight.requires_grad()) context->save_for_backward({rows});
    context->saved_data["weight"] = weight;
    context->saved_data["bias"] = bias.has_value();
    context->saved_data["residual"] = residual.has_value();
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const at::Tensor& whole = output_gradients.at(0);
    const at::Tensor gradient = matrix_of(whole);  // [rows, out]
    const at::Tensor weight = context->saved_data["weight"].toTensor();
    const ProductOptions options{gradient.scalar_type()};
    at::Tensor to_input, to_weight, to_bias;
    if (context->needs_input_grad(0)) {
      to_input = at::empty(with_last(whole, weight.size(1)), whole.options());
      cpu_matmul({{gradient, weight}}, options, to_input.view({-1, weight.size(1)}));
    }
    if (context->needs_input_grad(1)) {
      to_weight = at::empty(weight.sizes(), weight.options());
      cpu_matmul({{gradient.t(), context->get_saved_variables().at(0)}}, options, to_weight);
    }
    const bool has_bias = context->saved_data["bias"].toBool();
    if (has_bias && context->needs_input_grad(2)) to_bias = gradient.sum(0);
    const bool has_residual = context->saved_data["residual"].toBool();
    return {to_input, to_weight, to_bias, has_residual ? whole : at::Tensor()};
  }
};

class LoraLinearFunction : public torch::autograd::Function<LoraLinearFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const OptionalTensor& bias,
                            const at::Tensor& down, const at::Tensor& up, double factor) {
    const at::Tensor rows = matrix_of(input);
    const at::Tensor output = at::empty(with_last(input, weight.size(0)), input.options());
    // 1. factor * input down^T, [rows, rank], with columns of zeros.
    ProductOptions options{input.scalar_type(), factor};
    const at::Tensor hidden = at::empty({rows.size(0), padded_rank(down)}, input.options());
    cpu_matmul({{rows, down.t()}}, options, hidden);
    // 2. Both products as one sum.
    options.factor = 1.0;
    if (bias) options.bias = *bias;
    cpu_matmul({{rows, weight.t()}, {hidden, up.t()}}, options, output.view({-1, weight.size(0)}));
    context->save_for_backward({rows, hidden, down, up});
    context->saved_data["weight"] = weight;
    context->saved_data["factor"] = factor;
    return output;
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &rows = saved[0], &hidden = saved[1], &down = saved[2], &up = saved[3];
    const at::Tensor& whole = output_gradients.at(0);
    const at::Tensor gradient = matrix_of(whole);  // [rows, out]
    const at::Tensor weight = context->saved_data["weight"].toTensor();
    ProductOptions options{gradient.scalar_type(), context->saved_data["factor"].toDouble()};
    // 1. Of `hidden` before the factor.
    const at::Tensor to_hidden = at::empty_like(hidden);
    cpu_matmul({{gradient, up}}, options, to_hidden);
    options.factor = 1.0;
    // 2. Of what is trained.
    const at::Tensor to_down = at::empty_like(down);
    cpu_matmul({{to_hidden.t(), rows}}, options, to_down);
    const at::Tensor to_up = at::empty({up.size(0), hidden.size(1)}, up.options());
    cpu_matmul({{gradient.t(), hidden}}, options, to_up);
    // 3. Of the input.
    at::Tensor to_input;
    if (context->needs_input_grad(0)) {
      to_input = at::empty(with_last(whole, weight.size(1)), whole.options());
      cpu_matmul({{gradient, weight}, {to_hidden, down}}, options,
                 to_input.view({-1, weight.size(1)}));
    }
    return {to_input, {}, {}, to_down, to_up.narrow(1, 0, up.size(1)).contiguous(), {}};
  }
};

}  // namespace

bool cpu_linear_takes(const at::Tensor& input, const at::Tensor& weight) {
  return input.is_cpu() && weight.layout() == at::kStrided && weight.is_contiguous() &&
         input.scalar_type() == weight.scalar_type() && avx512_takes(input.scalar_type()) &&
         weight.size(0) % 16 == 0 && weight.size(1) % 16 == 0 && input.numel() > 0;
}

bool cpu_linear_pays(const at::Tensor& input, const at::Tensor& weight) {
  constexpr int64_t kLarge = int64_t{1} << 28;
  return cpu_linear_takes(input, weight) &&
         (input.scalar_type() == at::kFloat || input.numel() * weight.size(0) < kLarge);
}

at::Tensor cpu_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                      const at::Tensor& residual) {
  return LinearFunction::apply(input, weight, if_defined(bias), if_defined(residual));
}

at::Tensor cpu_lora_linear(const at::Tensor& input, const at::Tensor& weight,
                           const at::Tensor& bias, const at::Tensor& down, const at::Tensor& up,
                           double factor) {
  return LoraLinearFunction::apply(input, weight, if_defined(bias), down, up, factor);
}

}  // namespace sdxl
