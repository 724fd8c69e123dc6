#include "kernels/cpu/geglu.h"

#include <ATen/Parallel.h>

#include <vector>

#include "kernels/cpu/float_blocks.h"

namespace sdxl {
namespace {

template <typename T>
SDXL_SIMD void geglu_gradient_row(const T* gradients, const T* values, const T* gates,
                                  T* __restrict value_gradients, T* __restrict gate_gradients,
                                  int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    const float gradient = widened(gradients[i]), gate = widened(gates[i]);
    const Gaussian gaussian = fast_gaussian(gate);
    narrow(gradient * (gate * gaussian.cumulative), value_gradients + i);
    const float slope = gaussian.cumulative + gate * gaussian.density * 0.39894228f;
    narrow(gradient * widened(values[i]) * slope, gate_gradients + i);
  }
}

template <typename T>
SDXL_SIMD void geglu_row(const T* values, const T* gates, T* __restrict to, int64_t size) {
  for (int64_t i = 0; i < size; ++i) {
    const float gate = widened(gates[i]);
    narrow(widened(values[i]) * (gate * fast_gaussian(gate).cumulative), to + i);
  }
}

template <typename T>
at::Tensor geglu_backward_as(const at::Tensor& gradient, const at::Tensor& input) {
  at::Tensor result = at::empty_like(input);
  const int64_t width = gradient.size(-1);
  const T* from = input.const_data_ptr<T>();
  const T* gradients = gradient.const_data_ptr<T>();
  T* to = result.data_ptr<T>();
  at::parallel_for(0, gradient.numel() / width, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* values = from + row * 2 * width;
      T* target = to + row * 2 * width;
      geglu_gradient_row(gradients + row * width, values, values + width, target, target + width,
                         width);
    }
  });
  return result;
}

template <typename T>
at::Tensor geglu_forward_as(const at::Tensor& input) {
  std::vector<int64_t> shape = input.sizes().vec();
  const int64_t width = shape.back() /= 2;
  at::Tensor output = at::empty(shape, input.options());
  const T* from = input.const_data_ptr<T>();
  T* to = output.data_ptr<T>();
  at::parallel_for(0, output.numel() / width, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const T* values = from + row * 2 * width;
      geglu_row(values, values + width, to + row * width, width);
    }
  });
  return output;
}

}  // namespace

at::Tensor geglu_forward(const at::Tensor& values_and_gates) {
  const at::Tensor input = values_and_gates.contiguous();
  return input.scalar_type() == at::kBFloat16 ? geglu_forward_as<at::BFloat16>(input)
                                              : geglu_forward_as<float>(input);
}

at::Tensor geglu_backward(const at::Tensor& output_gradient, const at::Tensor& values_and_gates) {
  const at::Tensor input = values_and_gates.contiguous();
  const at::Tensor gradient = output_gradient.contiguous();
  return input.scalar_type() == at::kBFloat16 ? geglu_backward_as<at::BFloat16>(gradient, input)
                                              : geglu_backward_as<float>(gradient, input);
}

}  // namespace sdxl
