// GEGLU: values * gelu(gates) with the exact gelu, one pass forward and one backward.
#include "plugins/cuda/kernels.h"
#include "plugins/cuda/values.cuh"

namespace sdxl::kernels {
namespace {

constexpr int kThreads = 256;
constexpr float kRootHalf = 0.70710678118654752f;          // 1 / sqrt(2)
constexpr float kInverseRootTwoPi = 0.39894228040143268f;  // 1 / sqrt(2 pi)

__device__ float normal_cdf(float x) { return 0.5f * (1.0f + erff(x * kRootHalf)); }

template <typename T>
__global__ void __launch_bounds__(kThreads)
    forward(int64_t vectors, int64_t width, const T* x, T* y) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t per_row = width / kSize;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < vectors;
       i += int64_t{gridDim.x} * kThreads) {
    const int64_t row = i / per_row, column = (i - row * per_row) * kSize;
    const Vector<T> values = load(x + row * 2 * width + column);
    const Vector<T> gates = load(x + row * 2 * width + width + column);
    Vector<T> result;
    for (int k = 0; k < kSize; ++k) {
      const float gate = to_float(gates.values[k]);
      // Rounds in between, as separate operators do.
      const T activated = from_float<T>(gate * normal_cdf(gate));
      result.values[k] = from_float<T>(to_float(values.values[k]) * to_float(activated));
    }
    store(y + row * width + column, result);
  }
}

template <typename T>
__global__ void __launch_bounds__(kThreads)
    backward(int64_t vectors, int64_t width, const T* gradient, const T* x, T* x_gradient) {
  constexpr int kSize = Vector<T>::kSize;
  const int64_t per_row = width / kSize;
  for (int64_t i = int64_t{blockIdx.x} * kThreads + threadIdx.x; i < vectors;
       i += int64_t{gridDim.x} * kThreads) {
    const int64_t row = i / per_row, column = (i - row * per_row) * kSize;
    const int64_t at = row * 2 * width + column;
    const Vector<T> values = load(x + at), gates = load(x + at + width);
    const Vector<T> out = load(gradient + row * width + column);
    Vector<T> to_values, to_gates;
    for (int k = 0; k < kSize; ++k) {
      const float gate = to_float(gates.values[k]), value = to_float(values.values[k]);
      const float g = to_float(out.values[k]), cdf = normal_cdf(gate);
      const float density = kInverseRootTwoPi * expf(-0.5f * gate * gate);
      to_values.values[k] = from_float<T>(g * gate * cdf);
      to_gates.values[k] = from_float<T>(g * value * (cdf + gate * density));
    }
    store(x_gradient + at, to_values);
    store(x_gradient + at + width, to_gates);
  }
}

int blocks_of(int64_t vectors) {
  constexpr int64_t kMaxBlocks = 16384;
  const int64_t blocks = (vectors + kThreads - 1) / kThreads;
  return static_cast<int>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

}  // namespace

int geglu_forward(int32_t type, int64_t rows, int64_t width, const void* x, void* y, void* stream) {
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    if (rows == 0 || width % 8 != 0) return -1;
    const int64_t vectors = rows * width / Vector<T>::kSize;
    forward<T><<<blocks_of(vectors), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        vectors, width, static_cast<const T*>(x), static_cast<T*>(y));
    return launched();
  });
}

int geglu_backward(int32_t type, int64_t rows, int64_t width, const void* gradient, const void* x,
                   void* x_gradient, void* stream) {
  return with_type(type, [&](auto zero) {
    using T = decltype(zero);
    if (rows == 0 || width % 8 != 0) return -1;
    const int64_t vectors = rows * width / Vector<T>::kSize;
    backward<T><<<blocks_of(vectors), kThreads, 0, static_cast<cudaStream_t>(stream)>>>(
        vectors, width, static_cast<const T*>(gradient), static_cast<const T*>(x),
        static_cast<T*>(x_gradient));
    return launched();
  });
}

}  // namespace sdxl::kernels
