// Attention on the CPU by kernels of our own, for processors with AVX-512: LibTorch's spends most
// of its time outside of multiplications there.
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

/// softmax(q k^T / sqrt(D)) v for each head, with float32 sums; weights are rounded to bfloat16 for
/// bfloat16. query [B, S, N * D], key and value [B, T, N * D]. Without gradients: attention.h has
/// them.
AttentionResult cpu_attention(const at::Tensor& query, const at::Tensor& key,
                              const at::Tensor& value, int64_t heads);

struct AttentionGradients {
  at::Tensor query, key, value;  ///< As cpu_attention()'s arguments, rows one after the other.
};

/// The gradients of cpu_attention() by that of its output, [B, S, N * D] with rows one after the
/// other. Heads are shared out over threads; the same bits for any number of them.
AttentionGradients cpu_attention_backward(const at::Tensor& output_gradient,
                                          const at::Tensor& query, const at::Tensor& key,
                                          const at::Tensor& value, const AttentionResult& result,
                                          int64_t heads);

}  // namespace sdxl
