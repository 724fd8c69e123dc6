// Linear layers whose frozen weights are kept in 8 bits a number and turned back into the compute
// dtype just before each product, in both passes.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <string>

#include "models/layers.h"

namespace sdxl {

/// int8: whole numbers from -127 to 127. fp8: e4m3, four bits of exponent and three of mantissa.
enum class QuantisedFormat { kInt8, kFp8 };

/// A matrix as 8-bit codes, and what each row is multiplied by: its largest number becomes the
/// largest code.
struct QuantisedMatrix {
  at::Tensor codes;   ///< [out, in] int8 or float8_e4m3fn
  at::Tensor scales;  ///< [out] float32
};

/// `matrix` [out, in] of any floating dtype on the CPU, one pass over it.
QuantisedMatrix quantised(const at::Tensor& matrix, QuantisedFormat format);
/// The numbers again, in `dtype` on the codes' device: each is rounded to it once.
at::Tensor dequantised(const QuantisedMatrix& matrix, at::ScalarType dtype);

/// Quantises the linear layers of all transformers below `root` (those that embed timesteps and
/// sizes are small and sensitive, and stay); afterwards everything is on `placement.device`, and
/// what is not quantised in `placement.dtype`. `release(name)` is told each parameter whose loaded
/// value is not needed any more. Error(kUnavailable) where the device cannot hold the format.
void quantise_linears(Module& root, QuantisedFormat format, const Placement& placement,
                      const std::function<void(const std::string& name)>& release);

}  // namespace sdxl
