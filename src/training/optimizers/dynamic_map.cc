#include "training/optimizers/dynamic_map.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/simd.h"

namespace sdxl {
namespace {

/// Middles of `count` equal steps from 0.1 to 1.
at::Tensor fractions(int64_t count) {
  const at::Tensor boundaries = at::linspace(0.1, 1, count + 1, at::kFloat);
  return (boundaries.slice(0, 0, count) + boundaries.slice(0, 1)) / 2.0;
}

std::array<float, 256> map_values(bool has_sign) {
  constexpr int kDecades = 7;
  std::vector<float> values = {0.0f, 1.0f};
  for (int i = 0; i < kDecades; ++i) {
    const double decade = std::pow(10.0, i - kDecades + 1);
    const at::Tensor steps = fractions(int64_t{1} << (has_sign ? i : i + 1)) * decade;
    for (int64_t k = 0; k < steps.numel(); ++k) {
      const float value = steps.const_data_ptr<float>()[k];
      values.push_back(value);
      if (has_sign) values.push_back(-value);
    }
  }
  std::sort(values.begin(), values.end());
  std::array<float, 256> result;
  std::copy_n(values.begin(), result.size(), result.begin());
  return result;
}

SDXL_SIMD void decode_codes(const float* map, const uint8_t* codes, float scale, int64_t size,
                            float* values) {
  for (int64_t i = 0; i < size; ++i) values[i] = map[codes[i]] * scale;
}

SDXL_SIMD float greatest_absolute(const float* values, int64_t size) {
  float greatest = 0.0f;
  for (int64_t i = 0; i < size; ++i) {
    const float absolute = std::fabs(values[i]);
    greatest = absolute > greatest ? absolute : greatest;
  }
  return greatest;
}

SDXL_SIMD void nearest_codes(const int32_t* first_code, const float* middles, const float* values,
                             float scale, int64_t size, int32_t* codes) {
  for (int64_t i = 0; i < size; ++i) {
    const float value = values[i] / scale;
    const int32_t code = first_code[std::bit_cast<uint32_t>(value) >> 16];
    codes[i] = code + (value > middles[code] ? 1 : 0);
  }
}

/// The memory of `tensor` as rows of 256 elements, padded with zeros: [blocks, 256].
at::Tensor in_blocks(const at::Tensor& tensor) {
  const int64_t count = tensor.numel();
  const int64_t blocks = (count + kQuantisedBlock - 1) / kQuantisedBlock;
  const at::Tensor flat = tensor.as_strided({count}, {1});
  return at::constant_pad_nd(flat, {0, blocks * kQuantisedBlock - count})
      .view({blocks, kQuantisedBlock});
}

at::Tensor on_device(const std::array<float, 256>& values, int64_t count, at::Device device) {
  return at::tensor(at::ArrayRef<float>(values.data(), count), at::kFloat).to(device);
}

}  // namespace

DynamicMap::DynamicMap(bool has_sign) : values_(map_values(has_sign)) {
  for (size_t i = 0; i + 1 < values_.size(); ++i) {
    middles_[i] = (values_[i] + values_[i + 1]) / 2.0f;
  }
  middles_.back() = std::numeric_limits<float>::infinity();
  for (uint32_t upper = 0; upper < first_code_.size(); ++upper) {
    // Among negative floats, the one with the greatest lower bits is the least.
    const bool negative = (upper & 0x8000u) != 0;
    const auto least = std::bit_cast<float>(upper << 16 | (negative ? 0xFFFFu : 0u));
    const auto above = std::lower_bound(middles_.begin(), middles_.end() - 1, least);
    first_code_[upper] = static_cast<int32_t>(above - middles_.begin());
  }
}

void DynamicMap::decode(const uint8_t* codes, float scale, int64_t size, float* values) const {
  decode_codes(values_.data(), codes, scale, size, values);
}

float DynamicMap::encode(const float* values, int64_t size, uint8_t* codes) const {
  float scale = greatest_absolute(values, size);
  if (scale == 0.0f) scale = 1.0f;
  std::array<int32_t, kQuantisedBlock> wide;
  nearest_codes(first_code_.data(), middles_.data(), values, scale, size, wide.data());
  for (int64_t i = 0; i < size; ++i) codes[i] = static_cast<uint8_t>(wide[i]);
  return scale;
}

at::Tensor DynamicMap::decode(const at::Tensor& codes, const at::Tensor& scales) const {
  const at::Tensor map = on_device(values_, 256, codes.device());
  const at::Tensor blocks =
      map.index_select(0, in_blocks(codes).flatten().to(at::kInt)).view({-1, kQuantisedBlock});
  return blocks.mul(scales.unsqueeze(1)).as_strided(codes.sizes(), codes.strides());
}

void DynamicMap::encode(const at::Tensor& values, const at::Tensor& codes,
                        const at::Tensor& scales) const {
  const at::Tensor blocks = in_blocks(values);
  const at::Tensor greatest = blocks.abs().amax(1);
  scales.copy_(at::where(greatest == 0, at::ones_like(greatest), greatest));
  const at::Tensor middles = on_device(middles_, 255, values.device());
  const at::Tensor nearest =
      at::bucketize(blocks.div(scales.unsqueeze(1)), middles, /*out_int32=*/true);
  codes.as_strided({codes.numel()}, {1}).copy_(nearest.flatten().slice(0, 0, codes.numel()));
}

const DynamicMap& signed_dynamic_map() {
  static const DynamicMap map(true);
  return map;
}

const DynamicMap& unsigned_dynamic_map() {
  static const DynamicMap map(false);
  return map;
}

}  // namespace sdxl
