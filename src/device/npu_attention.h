// torch_npu's fused attention, called through ATen's dispatcher.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Error(kUnavailable) where the library that is open has no npu_fusion_attention.
void require_npu_attention();

/// softmax(q k^T / sqrt(D)) v for each of `heads` heads, as diffusers' NPU processor calls it:
/// query [B, S, N * D], key and value [B, T, N * D] in fp16 or bf16 -> [B, S, N * D]. Undefined for
/// other dtypes, which the operator does not take.
at::Tensor npu_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         int64_t heads);

}  // namespace sdxl
