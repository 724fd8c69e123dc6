// Packs a few tensors into one cached value: a table of dtypes and shapes, then each tensor's
// elements at a multiple of 64 bytes.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace sdxl {

/// Packs tensors on the CPU: float32, float16 or bfloat16, of at most four dimensions.
std::string pack_tensors(const std::vector<at::Tensor>& tensors);

/// Unpacks tensors, which share the memory of `bytes`. Error(kBadData) names `source` if `bytes`
/// was not packed so.
std::vector<at::Tensor> unpack_tensors(std::string bytes, const std::string& source);

}  // namespace sdxl
