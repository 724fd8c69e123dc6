// Matrix products for CPUs with AVX-512. At the sizes of a training step LibTorch's spend as much
// time on layout as on multiplications.
#pragma once

#include <ATen/ATen.h>

#include <vector>

namespace sdxl {

/// a [M, K] times b [K, N]. Each may be a transposed view; one of its strides must be 1. Both have
/// the dtype of the product. b, and a if transposed, may also be float32, rounded when read.
/// Columns of a past the rows of b count as zeros.
struct MatrixProduct {
  at::Tensor a, b;
};

/// How a sum of products is finished.
struct ProductOptions {
  at::ScalarType dtype = at::kFloat;  ///< Of the operands: float32 or bfloat16.
  double factor = 1.0;
  at::Tensor bias = {};      ///< [N], or undefined
  at::Tensor residual = {};  ///< [M, N], contiguous, or undefined
};

/// output = factor * (sum of products) + bias + residual, summed in float32. output [M, N] is
/// contiguous, float32 or bfloat16. N is a multiple of 16 and at least the columns of every b;
/// columns that a b lacks count as zeros. M may be less than the rows of a. The bits do not depend
/// on the number of threads. Only for dtypes that avx512_takes() (avx512.h).
void cpu_matmul(const std::vector<MatrixProduct>& products, const ProductOptions& options,
                const at::Tensor& output);

}  // namespace sdxl
