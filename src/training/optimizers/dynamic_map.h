// 8-bit codes for optimizer states: block-wise quantisation with the dynamic map of Dettmers et al.
// 2021 (8-bit Optimizers via Block-wise Quantization), the values as bitsandbytes has them.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

namespace sdxl {

/// Elements that share one scale: their greatest absolute value.
constexpr int64_t kQuantisedBlock = 256;

/// 256 ascending values in [-1, 1], or in [0, 1] if `has_sign` is false: decades from 1 down to
/// 1e-7, each with half the steps of the one above.
class DynamicMap {
 public:
  explicit DynamicMap(bool has_sign);

  /// values[i] = value of codes[i] * scale.
  void decode(const uint8_t* codes, float scale, int64_t size, float* values) const;
  /// Writes the codes nearest to values[i] / scale and returns scale, the greatest absolute value
  /// (1 if all values are zero).
  float encode(const float* values, int64_t size, uint8_t* codes) const;

  /// The same for whole tensors on any device: `codes` (uint8) and values (float32) of one layout,
  /// `scales` [ceil(n / 256)]. Blocks follow the order of memory.
  at::Tensor decode(const at::Tensor& codes, const at::Tensor& scales) const;
  void encode(const at::Tensor& values, const at::Tensor& codes, const at::Tensor& scales) const;

  const std::array<float, 256>& values() const { return values_; }

 private:
  std::array<float, 256> values_;
  std::array<float, 256> middles_;  // between a value and the next; infinity after the last
  /// For the upper 16 bits of a float in [-1, 1]: the code of the least float with these bits. The
  /// code of any float with these bits is this one or the next.
  std::array<int32_t, 65536> first_code_;
};

/// The maps of signed and of unsigned values.
const DynamicMap& signed_dynamic_map();
const DynamicMap& unsigned_dynamic_map();

}  // namespace sdxl
