// Linear layers with frozen weights in 8 bits, dequantised to the compute dtype before each product
// of the forward and the backward pass.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>

#include "models/layers.h"

namespace sdxl {

/// kInt8: integers from -127 to 127. kFp8: float8_e4m3fn.
enum class QuantisedFormat { kInt8, kFp8 };

/// A matrix as 8-bit codes with a scale for each row, by which its largest number becomes the
/// largest code.
struct QuantisedMatrix {
  at::Tensor codes;   ///< [out, in] int8 or float8_e4m3fn
  at::Tensor scales;  ///< [out] float32
};

/// Quantises `matrix` [out, in], of any floating dtype on the CPU.
QuantisedMatrix quantised(const at::Tensor& matrix, QuantisedFormat format);
/// Returns [out, in] in `dtype` on the codes' device; each number is rounded to it once.
at::Tensor dequantised(const QuantisedMatrix& matrix, at::ScalarType dtype);

/// Quantises the linear layers of all transformers below `root`, but not those that embed timesteps
/// and sizes, which are small and sensitive. Moves all parameters to `placement.device` and
/// converts the others to `placement.dtype`. Calls `release(name)` for each parameter whose loaded
/// value is no longer needed. Error(kUnavailable) if the device does not support the format.
void quantise_linears(Module& root, QuantisedFormat format, const Placement& placement,
                      const std::function<void(const std::string& name)>& release);

}  // namespace sdxl
