// torch_npu's fused attention, called through ATen's dispatcher.
#pragma once

#include <ATen/ATen.h>

namespace sdxl {

/// Error(kUnavailable) if the opened library has no npu_fusion_attention.
void require_npu_attention();

/// softmax(q k^T / sqrt(D)) v for each of `heads` heads, as diffusers' NPU processor calls it. See
/// FusedAttention for shapes. The dtype is fp16 or bf16; for others the result is undefined.
at::Tensor npu_attention(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                         int64_t heads);

}  // namespace sdxl
