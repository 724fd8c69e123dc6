#include "models/quantised_linear.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <optional>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr float kLargestInt8 = 127;
constexpr float kLargestFp8 = 448;
constexpr int kCodes = 256;

/// The number of each code.
std::array<float, kCodes> code_values(at::ScalarType codes) {
  std::array<float, kCodes> values;
  for (int i = 0; i < kCodes; ++i) {
    const auto bits = static_cast<uint8_t>(i);
    values[i] = codes == at::kChar
                    ? static_cast<float>(static_cast<int8_t>(bits))
                    : static_cast<float>(c10::Float8_e4m3fn(bits, c10::Float8_e4m3fn::from_bits()));
  }
  return values;
}

/// Decodes row by row by a table of the row's numbers.
template <typename Number>
void decode(const QuantisedMatrix& matrix, const at::Tensor& to) {
  const std::array<float, kCodes> values = code_values(matrix.codes.scalar_type());
  const int64_t columns = matrix.codes.size(1);
  const auto* codes = static_cast<const uint8_t*>(matrix.codes.const_data_ptr());
  const float* scales = matrix.scales.const_data_ptr<float>();
  auto* numbers = to.mutable_data_ptr<Number>();
  at::parallel_for(0, matrix.codes.size(0), 16, [&](int64_t begin, int64_t end) {
    std::array<Number, kCodes> table;
    for (int64_t row = begin; row < end; ++row) {
      for (int i = 0; i < kCodes; ++i) table[i] = static_cast<Number>(values[i] * scales[row]);
      const uint8_t* from = codes + row * columns;
      Number* line = numbers + row * columns;
      for (int64_t i = 0; i < columns; ++i) line[i] = table[from[i]];
    }
  });
}

struct HeldMatrix : torch::CustomClassHolder {
  explicit HeldMatrix(QuantisedMatrix matrix) : matrix(std::move(matrix)) {}
  QuantisedMatrix matrix;
};

/// Keeps the codes for the backward pass; dequantised numbers live for one product only.
class QuantisedProduct : public torch::autograd::Function<QuantisedProduct> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const std::optional<at::Tensor>& bias,
                            c10::intrusive_ptr<HeldMatrix> held) {
    context->saved_data["matrix"] = c10::IValue::make_capsule(held);
    return at::linear(input, dequantised(held->matrix, input.scalar_type()), bias);
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const auto held =
        c10::static_intrusive_pointer_cast<HeldMatrix>(context->saved_data["matrix"].toCapsule());
    const at::Tensor& gradient = output_gradients.at(0);
    if (!gradient.defined()) return variable_list(3);
    return {at::matmul(gradient, dequantised(held->matrix, gradient.scalar_type())), at::Tensor(),
            at::Tensor()};
  }
};

class QuantisedLinear : public LinearOverride {
 public:
  explicit QuantisedLinear(QuantisedMatrix matrix)
      : held_(c10::make_intrusive<HeldMatrix>(std::move(matrix))) {}
  at::Tensor forward(const Linear& layer, const at::Tensor& input) const override {
    std::optional<at::Tensor> bias;
    if (layer.bias.defined()) bias = layer.bias;
    return QuantisedProduct::apply(input, bias, held_);
  }
  at::Tensor weight(const Linear&) const override { return dequantised(held_->matrix, at::kFloat); }

 private:
  c10::intrusive_ptr<HeldMatrix> held_;
};

bool in_transformer(const std::string& path) {
  return path.find("attentions.") != std::string::npos ||
         path.find("encoder.layers.") != std::string::npos;
}

at::Tensor moved(const at::Tensor& codes, at::Device device) {
  try {
    const at::Tensor there = codes.to(device);
    if (!device.is_cpu()) there.narrow(0, 0, 1).to(at::kHalf);
    return there;
  } catch (const c10::Error&) {
    throw Error(ExitStatus::kUnavailable, "--base_dtype ",
                codes.scalar_type() == at::kChar ? "int8" : "fp8", ": the device ", device.str(),
                " cannot compute with this format; use ",
                codes.scalar_type() == at::kChar ? "bf16 weights: leave it out" : "int8");
  }
}

}  // namespace

QuantisedMatrix quantised(const at::Tensor& matrix, QuantisedFormat format) {
  const bool is_int8 = format == QuantisedFormat::kInt8;
  const at::ScalarType dtype = is_int8 ? at::kChar : at::kFloat8_e4m3fn;
  QuantisedMatrix result{at::empty(matrix.sizes(), dtype), at::empty({matrix.size(0)}, at::kFloat)};
  at::parallel_for(0, matrix.size(0), 32, [&](int64_t begin, int64_t end) {
    const at::Tensor rows = matrix.slice(0, begin, end).to(at::kFloat);
    at::Tensor scales = rows.abs().amax(1).div_(is_int8 ? kLargestInt8 : kLargestFp8);
    scales.masked_fill_(scales.eq(0), 1);
    at::Tensor codes = rows / scales.unsqueeze(1);
    if (is_int8) codes.round_().clamp_(-kLargestInt8, kLargestInt8);
    result.codes.slice(0, begin, end).copy_(codes);
    result.scales.slice(0, begin, end).copy_(scales);
  });
  return result;
}

at::Tensor dequantised(const QuantisedMatrix& matrix, at::ScalarType dtype) {
  const at::NoGradGuard no_grad;
  if (!matrix.codes.is_cpu()) return matrix.codes.to(dtype).mul_(matrix.scales.unsqueeze(1));
  const at::Tensor numbers = at::empty(matrix.codes.sizes(), dtype);
  if (dtype == at::kBFloat16) {
    decode<at::BFloat16>(matrix, numbers);
  } else if (dtype == at::kHalf) {
    decode<at::Half>(matrix, numbers);
  } else {
    decode<float>(matrix, numbers);
  }
  return numbers;
}

void quantise_linears(Module& root, QuantisedFormat format, const Placement& placement,
                      const std::function<void(const std::string& name)>& release) {
  const at::NoGradGuard no_grad;
  root.visit([&](Module& module) {
    auto* linear = dynamic_cast<Linear*>(&module);
    if (!linear || !in_transformer(linear->path())) return;
    QuantisedMatrix matrix = quantised(linear->weight, format);
    matrix.codes = moved(matrix.codes, placement.device);
    matrix.scales = matrix.scales.to(placement.device);
    linear->replace(linear->weight, matrix.codes);
    linear->override_ = std::make_shared<QuantisedLinear>(std::move(matrix));
    release(linear->path() + ".weight");
  });
  std::vector<at::Tensor> loaded;
  for (const NamedParameter& parameter : root.parameters()) loaded.push_back(*parameter.tensor);
  root.to(placement);
  const std::vector<NamedParameter> parameters = root.parameters();
  for (size_t i = 0; i < parameters.size(); ++i) {
    if (!parameters[i].tensor->is_alias_of(loaded[i])) release(parameters[i].name);
  }
}

}  // namespace sdxl
