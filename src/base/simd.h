// Function multiversioning for several instruction sets.
#pragma once

/// Compiles a function for AVX-512, AVX2 and the baseline and picks one at load time. Off under the
/// address sanitizer, which is not initialised yet when the resolver runs.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define SDXL_SIMD __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define SDXL_SIMD
#endif
