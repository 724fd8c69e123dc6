// Winograd's minimal filtering of 3x3 kernels, 16 channels at a time: Lavin and Gray, Fast
// Algorithms for Convolutional Neural Networks (2016), section 4. An output tile of m x m numbers
// costs a x a multiplications, a = m + 2, of the transformed input and kernel, in place of 9 m m:
//   output = A^T [(G kernel G^T) * (B^T input B)] A
// Each struct is a filter in one dimension. Its functions read numbers `step` apart and write them
// `to_step` apart; the adjoints are those that gradients take.
#pragma once

#include "kernels/cpu/avx512.h"

#ifdef SDXL_HAS_AVX512_KERNELS

namespace sdxl {

#define SDXL_AVX512_INLINE SDXL_AVX512 inline __attribute__((always_inline))

/// F(2x2, 3x3): 2.25 times fewer multiplications, with errors no larger than the plain sum's.
struct WinogradF2 {
  static constexpr int kOutputs = 2, kInputs = 4;

  struct Input {  // B^T
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      y[0] = x[0] - x[2 * step];
      y[to_step] = x[step] + x[2 * step];
      y[2 * to_step] = x[2 * step] - x[step];
      y[3 * to_step] = x[step] - x[3 * step];
    }
  };
  struct Kernel {  // G
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      const __m512 half = _mm512_set1_ps(0.5f), ends = half * (x[0] + x[2 * step]);
      y[0] = x[0];
      y[to_step] = ends + half * x[step];
      y[2 * to_step] = ends - half * x[step];
      y[3 * to_step] = x[2 * step];
    }
  };
  struct Output {  // A^T
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      y[0] = x[0] + x[step] + x[2 * step];
      y[to_step] = x[step] - x[2 * step] - x[3 * step];
    }
  };
  struct OutputAdjoint {  // A
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      y[0] = x[0];
      y[to_step] = x[0] + x[step];
      y[2 * to_step] = x[0] - x[step];
      y[3 * to_step] = _mm512_setzero_ps() - x[step];
    }
  };
  struct KernelAdjoint {  // G^T
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      const __m512 half = _mm512_set1_ps(0.5f), sum = half * (x[step] + x[2 * step]);
      y[0] = x[0] + sum;
      y[to_step] = half * (x[step] - x[2 * step]);
      y[2 * to_step] = sum + x[3 * step];
    }
  };
};

/// F(4x4, 3x3): 4 times fewer multiplications; errors grow some five times, too much for bfloat16
/// and for gradients.
struct WinogradF4 {
  static constexpr int kOutputs = 4, kInputs = 6;

  struct Input {
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      const __m512 two = _mm512_set1_ps(2), four = _mm512_set1_ps(4), five = _mm512_set1_ps(5);
      const __m512 even = x[4 * step] - four * x[2 * step], odd = x[3 * step] - four * x[step];
      const __m512 outer = x[4 * step] - x[2 * step], inner = two * (x[3 * step] - x[step]);
      y[0] = four * x[0] - five * x[2 * step] + x[4 * step];
      y[to_step] = even + odd;
      y[2 * to_step] = even - odd;
      y[3 * to_step] = outer + inner;
      y[4 * to_step] = outer - inner;
      y[5 * to_step] = four * x[step] - five * x[3 * step] + x[5 * step];
    }
  };
  struct Kernel {
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      const __m512 sixth = _mm512_set1_ps(-1.0f / 6);
      const __m512 near = sixth * (x[0] + x[2 * step]), middle = sixth * x[step];
      const __m512 far = _mm512_set1_ps(1.0f / 24) * x[0] - sixth * x[2 * step];
      const __m512 twelfth = _mm512_set1_ps(1.0f / 12) * x[step];
      y[0] = _mm512_set1_ps(0.25f) * x[0];
      y[to_step] = near + middle;
      y[2 * to_step] = near - middle;
      y[3 * to_step] = far + twelfth;
      y[4 * to_step] = far - twelfth;
      y[5 * to_step] = x[2 * step];
    }
  };
  struct Output {
    SDXL_AVX512_INLINE static void apply(const __m512* x, int step, __m512* y, int to_step) {
      const __m512 two = _mm512_set1_ps(2), four = _mm512_set1_ps(4), eight = _mm512_set1_ps(8);
      const __m512 sum = x[step] + x[2 * step], difference = x[step] - x[2 * step];
      const __m512 far_sum = x[3 * step] + x[4 * step], far = x[3 * step] - x[4 * step];
      y[0] = x[0] + sum + far_sum;
      y[to_step] = difference + two * far;
      y[2 * to_step] = sum + four * far_sum;
      y[3 * to_step] = difference + eight * far + x[5 * step];
    }
  };
};

/// One-dimensional filter `Filter` of From numbers to To, down the columns and along the rows:
/// [From, From] -> [To, To].
template <typename Filter, int From, int To>
SDXL_AVX512_INLINE void apply_both_ways(const __m512* from, __m512* to) {
  __m512 half[To * From];
#pragma GCC unroll 6
  for (int column = 0; column < From; ++column) {
    Filter::apply(from + column, From, half + column, From);
  }
#pragma GCC unroll 6
  for (int row = 0; row < To; ++row) Filter::apply(half + row * From, 1, to + row * To, 1);
}

}  // namespace sdxl

#endif
