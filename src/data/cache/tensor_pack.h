// A few tensors as one cached value: a table of dtypes and shapes, then the elements, each tensor
// at a multiple of 64 bytes.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

namespace sdxl {

/// Tensors on the CPU, of float32, float16 or bfloat16 and at most four dimensions.
std::string pack_tensors(const std::vector<at::Tensor>& tensors);

/// The tensors, whose memory is `bytes` itself. Error(kBadData) that names `source` if it is no
/// such value.
std::vector<at::Tensor> unpack_tensors(std::string bytes, const std::string& source);

}  // namespace sdxl
