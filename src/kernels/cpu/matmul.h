// Matrix products on the CPU by kernels of our own, for processors with AVX-512: for the sizes of a
// training step LibTorch's spend as much time laying operands out, and around the product, as in
// it.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sdxl {

/// a [M, K] times b [K, N]; each may be a transposed view, and one of its strides must be 1. Both
/// have the dtype of the product, or are float32 and rounded as they are read (b always, a where it
/// is a transposed view). Columns of a past the rows of b count as zeros.
struct MatrixProduct {
  at::Tensor a, b;
};

/// What a sum of products becomes.
struct ProductOptions {
  at::ScalarType dtype = at::kFloat;  ///< Of the operands: float32 or bfloat16.
  double factor = 1.0;
  at::Tensor bias = {};      ///< [N], or undefined
  at::Tensor residual = {};  ///< [M, N] with rows one after the other, or undefined
};

/// output = factor * (sum of products) + bias + residual, summed in float32. output [M, N] in
/// float32 or bfloat16, rows one after the other, N at least the columns of every b, a multiple of
/// 16: columns that a b lacks are zeros of it. M may be less than the rows of a.
/// The same bits for any number of threads. For dtypes that avx512_takes() (avx512.h).
void cpu_matmul(const std::vector<MatrixProduct>& products, const ProductOptions& options,
                const at::Tensor& output);

}  // namespace sdxl
