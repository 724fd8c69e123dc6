// Functions compiled for several instruction sets.
#pragma once

/// Compiles a function for newer instruction sets too and picks one at run time. (Not under the
/// address sanitizer, which is not ready yet when the choice is made.)
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__)
#define SDXL_SIMD __attribute__((target_clones("arch=x86-64-v4", "avx2", "default")))
#else
#define SDXL_SIMD
#endif
