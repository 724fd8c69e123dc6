// How a device computes, chosen once when it is selected.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

namespace sdxl {

struct ComputeOptions {
  bool allow_tf32 = false;  ///< Multiply float32 matrices in TF32 if the device supports it.
  /// Avoid non-deterministic reductions where a deterministic operator exists, so that the same run
  /// gives the same bits. Makes backward passes slightly slower.
  bool repeatable = false;
  /// Use the attention of the vendor's library instead of ATen's; Error(kUsage) if there is none.
  bool fused_attention = false;
  /// The index of a device whose name has none, such as "cuda". -1 if unknown, which is
  /// Error(kUsage) for all devices but the CPU.
  int64_t index = 0;
};

/// Attention of N heads: query [B, S, N * D], key and value [B, T, N * D] give [B, S, N * D].
/// Returns an undefined tensor if it does not support these tensors.
using FusedAttention = at::Tensor (*)(const at::Tensor& query, const at::Tensor& key,
                                      const at::Tensor& value, int64_t heads);

}  // namespace sdxl
