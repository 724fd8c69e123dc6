// Packing through the operators that LibTorch registers for its own compiler.
#include "kernels/cpu/packed_weights.h"

#include <ATen/Context.h>
#include <ATen/core/dispatch/Dispatcher.h>

#include <vector>

namespace sdxl {
namespace {

using OptionalTensor = std::optional<at::Tensor>;
using OptionalText = std::optional<c10::string_view>;
using Scalars = c10::List<std::optional<at::Scalar>>;
using LinearOp = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                            c10::string_view, Scalars, OptionalText);
using LinearAddOp = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                               const OptionalTensor&, c10::string_view);
using ConvOp = at::Tensor(const at::Tensor&, const at::Tensor&, const OptionalTensor&,
                          at::IntArrayRef, at::IntArrayRef, at::IntArrayRef, int64_t,
                          c10::string_view, Scalars, OptionalText);
using ConvAddOp = at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                             const OptionalTensor&, at::IntArrayRef, at::IntArrayRef,
                             at::IntArrayRef, int64_t, c10::string_view, std::optional<at::Scalar>,
                             OptionalText, Scalars, OptionalText);
using PackLinearOp = at::Tensor(const at::Tensor&, std::optional<int64_t>);
using PackConvOp = at::Tensor(const at::Tensor&, at::IntArrayRef, at::IntArrayRef, at::IntArrayRef,
                              int64_t, at::OptionalIntArrayRef);

template <typename Signature>
auto find_op(const char* name, const char* overload = "") {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

OptionalTensor optional(const at::Tensor& tensor) {
  return tensor.defined() ? OptionalTensor(tensor) : std::nullopt;
}

/// Whether this LibTorch and processor pack weights of `dtype`.
bool packs(at::ScalarType dtype) {
  auto& dispatcher = c10::Dispatcher::singleton();
  static const bool known = at::Context::hasMKLDNN() &&
                            dispatcher.findSchema({"mkldnn::_reorder_linear_weight", ""}) &&
                            dispatcher.findSchema({"mkldnn::_linear_pointwise", "binary"});
  static const bool bfloat16 = [&] {
    const auto question = dispatcher.findSchema({"mkldnn::_is_mkldnn_bf16_supported", ""});
    return question && question->typed<bool()>().call();
  }();
  if (!known || !at::globalContext().userEnabledMkldnn()) return false;
  return dtype == at::kFloat || (dtype == at::kBFloat16 && bfloat16);
}

bool can_pack(const at::Tensor& weight) {
  return weight.defined() && weight.is_cpu() && !is_packed(weight) && !weight.requires_grad() &&
         packs(weight.scalar_type());
}

/// Rows that a linear layer multiplies at once, for which its weight's blocks are chosen.
constexpr int64_t kTypicalRows = 1024;

}  // namespace

at::Tensor packed_linear_weight(const at::Tensor& weight) {
  if (!can_pack(weight)) return weight;
  static const auto op = find_op<PackLinearOp>("mkldnn::_reorder_linear_weight");
  return op.call(weight, kTypicalRows);
}

at::Tensor packed_conv_weight(const at::Tensor& weight, const ConvGeometry& geometry) {
  if (!can_pack(weight)) return weight;
  static const auto op = find_op<PackConvOp>("mkldnn::_reorder_convolution_weight");
  const std::vector<int64_t> padding(2, geometry.padding), stride(2, geometry.stride),
      dilation(2, 1);
  return op.call(weight, padding, stride, dilation, 1, std::nullopt);
}

at::Tensor unpacked(const at::Tensor& weight) {
  return is_packed(weight) ? weight.to_dense(weight.scalar_type()) : weight;
}

at::Tensor packed_linear(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const at::Tensor& residual) {
  static const auto plain = find_op<LinearOp>("mkldnn::_linear_pointwise");
  static const auto add = find_op<LinearAddOp>("mkldnn::_linear_pointwise", "binary");
  if (residual.defined()) return add.call(input, residual, weight, optional(bias), "add");
  return plain.call(input, weight, optional(bias), "none", Scalars(), std::nullopt);
}

at::Tensor packed_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& bias,
                         const ConvGeometry& geometry, const at::Tensor& residual) {
  static const auto plain = find_op<ConvOp>("mkldnn::_convolution_pointwise");
  static const auto add = find_op<ConvAddOp>("mkldnn::_convolution_pointwise", "binary");
  const std::vector<int64_t> padding(2, geometry.padding), stride(2, geometry.stride),
      dilation(2, 1);
  if (residual.defined()) {
    // oneDNN cannot add to a map of one cell, whose strides say nothing of the order of its sides.
    if (residual.size(2) * residual.size(3) == 1) {
      return packed_conv2d(input, weight, bias, geometry) + residual;
    }
    return add.call(input, residual, weight, optional(bias), padding, stride, dilation, 1, "add",
                    std::nullopt, std::nullopt, Scalars(), std::nullopt);
  }
  return plain.call(input, weight, optional(bias), padding, stride, dilation, 1, "none", Scalars(),
                    std::nullopt);
}

}  // namespace sdxl
