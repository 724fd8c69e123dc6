// Shared by the kernels for AVX-512: element types, aligned memory, and whether this processor
// multiplies a type well. Contractions run in units of 32 bits: one float32, or two neighbouring
// bfloat16 that VDPBF16PS multiplies at once.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define SDXL_HAS_AVX512_KERNELS 1
#define SDXL_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#endif

namespace sdxl {

/// Whether the AVX-512 kernels take `dtype` on this processor: float32 with AVX-512, bfloat16 with
/// AVX512_BF16 but without AMX, with which LibTorch's kernels are faster.
bool avx512_takes(at::ScalarType dtype);

#ifdef SDXL_HAS_AVX512_KERNELS

constexpr int64_t kLanes = 16;  // units of a vector

/// The quotient rounded up.
inline int64_t divided(int64_t value, int64_t by) { return (value + by - 1) / by; }
inline int64_t round_up(int64_t value, int64_t multiple) {
  return divided(value, multiple) * multiple;
}

/// Memory that starts on a cache line.
struct FreeAligned {
  void operator()(char* data) const { ::operator delete(data, std::align_val_t(64)); }
};
using AlignedMemory = std::unique_ptr<char, FreeAligned>;
inline AlignedMemory aligned_memory(int64_t bytes) {
  return AlignedMemory(
      static_cast<char*>(::operator new(round_up(bytes, 64), std::align_val_t(64))));
}

/// Hands out arrays that start on cache lines, and owns them.
class Scratch {
 public:
  template <typename T>
  T* take(int64_t count) {
    memory_.push_back(aligned_memory(count * static_cast<int64_t>(sizeof(T))));
    return reinterpret_cast<T*>(memory_.back().get());
  }

 private:
  std::vector<AlignedMemory> memory_;
};

struct Float32 {
  using Element = float;
  static constexpr int64_t kPerUnit = 1;
  SDXL_AVX512 static inline __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }
  /// 16 elements as floats.
  SDXL_AVX512 static inline __m512 load(const Element* from) { return _mm512_loadu_ps(from); }
  /// 16 floats as elements.
  SDXL_AVX512 static inline void store(Element* to, __m512 values) { _mm512_storeu_ps(to, values); }
};

struct BFloat16 {
  using Element = uint16_t;
  static constexpr int64_t kPerUnit = 2;
  SDXL_AVX512 static inline __m512 multiply_add(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
  }
  SDXL_AVX512 static inline __m512 load(const Element* from) {
    const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  SDXL_AVX512 static inline void store(Element* to, __m512 values) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                        reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
  }
};

/// exp(x) for x <= 0, to 1e-7 of its value.
SDXL_AVX512 inline __m512 exponential(__m512 x) {
  const __m512 scaled =
      _mm512_max_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _mm512_set1_ps(-126.0f));
  const __m512 whole = _mm512_roundscale_ps(scaled, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 rest = _mm512_sub_ps(scaled, whole);  // in [-0.5, 0.5]
  // 2^rest, a Taylor series.
  __m512 sum = _mm512_set1_ps(1.5403530e-4f);
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.3333558e-3f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(9.6181291e-3f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.5504109e-2f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.4022651e-1f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.9314718e-1f));
  sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f));
  return _mm512_scalef_ps(sum, whole);
}

#endif

}  // namespace sdxl
