#include "kernels/frozen_conv.h"

#include <torch/csrc/autograd/custom_function.h>

#include <array>

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class FrozenConv2d : public torch::autograd::Function<FrozenConv2d> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t stride,
                            int64_t padding) {
    context->saved_data["weight"] = weight;  // outlives the graph and does not change meanwhile
    context->saved_data["sizes"] = input.sizes().vec();
    context->saved_data["channels_last"] =
        input.is_contiguous(at::MemoryFormat::ChannelsLast) && !input.is_contiguous();
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    return at::conv2d(input, weight, bias, stride, padding);
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    auto& saved = context->saved_data;
    const at::Tensor& gradient = output_gradients.at(0);
    if (!gradient.defined()) return variable_list(5);
    const int64_t stride = saved["stride"].toInt(), padding = saved["padding"].toInt();
    // Only the input's shape matters; its numbers are never read.
    const at::Tensor input =
        at::empty(saved["sizes"].toIntVector(), gradient.options(),
                  saved["channels_last"].toBool() ? at::MemoryFormat::ChannelsLast
                                                  : at::MemoryFormat::Contiguous);
    const auto gradients =
        at::convolution_backward(gradient, input, saved["weight"].toTensor(), std::nullopt,
                                 {stride, stride}, {padding, padding}, {1, 1}, /*transposed=*/false,
                                 {0, 0}, /*groups=*/1, std::array<bool, 3>{true, false, false});
    return {std::get<0>(gradients), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor frozen_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         int64_t stride, int64_t padding) {
  return FrozenConv2d::apply(input, weight, bias, stride, padding);
}

}  // namespace sdxl
