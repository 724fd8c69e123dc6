// Flash attention (Dao et al. 2022) for CPUs with AVX-512, where LibTorch's spends most of its time
// outside of multiplications.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Whether cpu_attention() takes these tensors on this processor: float32 or bfloat16 on the CPU, a
/// head's width a multiple of 16. Processors with AMX do better with LibTorch's in bfloat16.
bool cpu_attention_takes(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         int64_t heads);

struct AttentionResult {
  at::Tensor output;        ///< [B, S, N * D]
  at::Tensor log_sum_exps;  ///< [B, N, S] float32: log of the sum of exp(score), for the gradient.
};

/// softmax(q k^T / sqrt(D)) v for each head, summed in float32; for bfloat16 inputs the weights are
/// rounded to bfloat16. query [B, S, N * D], key and value [B, T, N * D]. Not differentiable;
/// fused_ops.h is.
AttentionResult cpu_attention(const at::Tensor& query, const at::Tensor& key,
                              const at::Tensor& value, int64_t heads);

struct AttentionGradients {
  at::Tensor query, key, value;  ///< In the shapes of cpu_attention()'s arguments, contiguous.
};

/// The gradients of cpu_attention(); output_gradient [B, S, N * D], contiguous. Threads share the
/// heads; the bits do not depend on their number.
AttentionGradients cpu_attention_backward(const at::Tensor& output_gradient,
                                          const at::Tensor& query, const at::Tensor& key,
                                          const at::Tensor& value, const AttentionResult& result,
                                          int64_t heads);

}  // namespace sdxl
