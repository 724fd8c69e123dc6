#include "kernels/cpu/avx512.h"

namespace sdxl {

bool avx512_takes(at::ScalarType dtype) {
#ifdef SDXL_HAS_AVX512_KERNELS
  static const bool has_avx512 = [] {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  }();
  static const bool has_bfloat16 =
      has_avx512 && __builtin_cpu_supports("avx512bf16") && !__builtin_cpu_supports("amx-bf16");
  return dtype == at::kFloat ? has_avx512 : dtype == at::kBFloat16 && has_bfloat16;
#else
  static_cast<void>(dtype);
  return false;
#endif
}

}  // namespace sdxl
