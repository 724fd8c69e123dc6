// Building blocks of loops that compilers vectorise: conversions between float and bfloat16, and
// elementary functions without branches.
#pragma once

#include <ATen/ATen.h>

#include <bit>
#include <cstdint>

#include "base/simd.h"

namespace sdxl {

/// A stored number as float; bfloat16 also by its bits.
inline float widened(float value) { return value; }
inline float widened(uint16_t bfloat16) {
  return std::bit_cast<float>(static_cast<uint32_t>(bfloat16) << 16);
}
inline float widened(at::BFloat16 value) { return widened(value.x); }

inline void narrow(float value, float* to) { *to = value; }
/// Rounds to nearest, ties to even; NaN stays NaN.
inline void narrow(float value, at::BFloat16* to) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
  to->x = static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? 0x7FC0u : rounded);
}

/// exp(x) with a relative error of 2e-7; clamps x to [-87, 88]; NaN gives a finite number.
inline float fast_exp(float x) {
  x = x < 88.0f ? x : 88.0f;
  x = x > -87.0f ? x : -87.0f;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = x * 1.44269504f + kRounder;
  const float whole = shifted - kRounder;
  const float rest = (x - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts
  float sum = 1.9875692e-4f;
  sum = sum * rest + 1.3981999e-3f;
  sum = sum * rest + 8.3334519e-3f;
  sum = sum * rest + 4.1665796e-2f;
  sum = sum * rest + 1.6666666e-1f;
  sum = sum * rest + 0.5f;
  sum = sum * rest * rest + rest + 1.0f;
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127u) << 23;
  return sum * std::bit_cast<float>(power);
}

/// 1 / (1 + exp(-x))
inline float fast_sigmoid(float x) { return 1.0f / (1.0f + fast_exp(-x)); }

struct Gaussian {
  float cumulative;  ///< Of the standard normal distribution.
  float density;     ///< Times sqrt(2 pi): exp(-x^2 / 2).
};

/// Abramowitz and Stegun, formula 7.1.26; absolute error below 8e-8.
inline Gaussian fast_gaussian(float x) {
  const float magnitude = x < 0.0f ? -x : x;
  const float density = fast_exp(-0.5f * x * x);
  const float t = 1.0f / (1.0f + (0.3275911f * 0.70710678f) * magnitude);
  float sum = 1.061405429f;
  sum = sum * t - 1.453152027f;
  sum = sum * t + 1.421413741f;
  sum = sum * t - 0.284496736f;
  sum = sum * t + 0.254829592f;
  const float tail = 0.5f * sum * t * density;
  return {x < 0.0f ? tail : 1.0f - tail, density};
}

}  // namespace sdxl
