// 8-bit codes for optimizer states: block-wise quantisation with the dynamic map of Dettmers et al.
// 2021 (8-bit Optimizers via Block-wise Quantization), the values as bitsandbytes has them.
#pragma once

#include <ATen/ATen.h>

#include <array>
#include <cstdint>

namespace sdxl {

/// Elements that share one scale, their greatest absolute value.
constexpr int64_t kQuantisedBlock = 256;

/// 256 values in [-1, 1], or with `has_sign` false in [0, 1], ascending: decades from 1 down to
/// 1e-7, each with half the steps of the one above.
class DynamicMap {
 public:
  explicit DynamicMap(bool has_sign);

  /// values[i] = value of codes[i] * scale.
  void decode(const uint8_t* codes, float scale, int64_t size, float* values) const;
  /// The codes nearest to values[i] / scale, scale being the greatest absolute value, which is
  /// returned (1 where all are zero).
  float encode(const float* values, int64_t size, uint8_t* codes) const;

  /// The same for whole tensors on any device, blocks counted in the order of memory: float32 in
  /// the strides of `codes`, from `codes` (uint8) and `scales` [ceil(n / 256)].
  at::Tensor decode(const at::Tensor& codes, const at::Tensor& scales) const;
  void encode(const at::Tensor& values, const at::Tensor& codes, const at::Tensor& scales) const;

  const std::array<float, 256>& values() const { return values_; }

 private:
  std::array<float, 256> values_;
  std::array<float, 256> middles_;  // between a value and the next; infinity after the last
  /// For the upper 16 bits of a float in [-1, 1]: the code of the least float with them. Floats of
  /// equal upper bits lie so close that the code of each is this or the next.
  std::array<int32_t, 65536> first_code_;
};

/// The one of signed and that of unsigned values.
const DynamicMap& signed_dynamic_map();
const DynamicMap& unsigned_dynamic_map();

}  // namespace sdxl
