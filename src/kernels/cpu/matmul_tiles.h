// Building blocks of products on AVX-512: blocks of a matrix laid out for the core's cache, and the
// multiplication of a few rows by such a block with sums in registers.
#pragma once

#include <algorithm>

#include "kernels/cpu/avx512.h"

#ifdef SDXL_HAS_AVX512_KERNELS

namespace sdxl {

constexpr int64_t kTileColumns = 64, kTileRows = 256;
constexpr int64_t kDepth = 256;  // units of a block
constexpr int kRegisterRows = 6;

/// A matrix as its memory lies: rows of `stride` elements.
struct Rows {
  const void* data;
  int64_t stride;
  int64_t count, width;
  bool is_float;

  template <typename Element>
  const Element* at(int64_t row, int64_t column) const {
    return static_cast<const Element*>(data) + row * stride + column;
  }
};

inline __mmask16 lanes_below(int64_t count) {
  return count >= kLanes ? 0xFFFF : static_cast<__mmask16>((1u << std::max<int64_t>(count, 0)) - 1);
}

/// 16 bfloat16 of a row from `column` on in the low halves; what is outside the matrix is zero.
SDXL_AVX512 inline __m512i bfloat16_row(const Rows& from, int64_t row, int64_t column) {
  if (row >= from.count) return _mm512_setzero_si512();
  const __mmask16 mask = lanes_below(from.width - column);
  if (from.is_float) {
    const __m512 values = _mm512_maskz_loadu_ps(mask, from.at<float>(row, column));
    return _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(values)));
  }
  return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from.at<uint16_t>(row, column)));
}

/// The units of 16 columns from `column` on in the depth's unit `unit`, where the depth goes down
/// the rows.
template <typename Type>
SDXL_AVX512 __m512i units_across(const Rows& from, int64_t unit, int64_t column) {
  if constexpr (Type::kPerUnit == 1) {
    return _mm512_castps_si512(
        _mm512_maskz_loadu_ps(lanes_below(from.width - column), from.at<float>(unit, column)));
  } else {
    const __m512i low = bfloat16_row(from, 2 * unit, column);
    const __m512i high = bfloat16_row(from, 2 * unit + 1, column);
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
  }
}

/// The same where the depth goes along the rows: 16 units of row `row`.
template <typename Type>
SDXL_AVX512 __m512i units_along(const Rows& from, int64_t row, int64_t unit) {
  if (row >= from.count) return _mm512_setzero_si512();
  const int64_t column = unit * Type::kPerUnit, rest = from.width - column;
  if constexpr (Type::kPerUnit == 1) {
    return _mm512_castps_si512(
        _mm512_maskz_loadu_ps(lanes_below(rest), from.at<float>(row, column)));
  } else if (from.is_float) {
    const float* values = from.at<float>(row, column);
    const __m512 low = _mm512_maskz_loadu_ps(lanes_below(rest), values);
    const __m512 high = _mm512_maskz_loadu_ps(lanes_below(rest - kLanes), values + kLanes);
    return reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
  } else {
    const __mmask32 mask = rest >= 32 ? ~__mmask32{0} : (__mmask32{1} << rest) - 1;
    return _mm512_maskz_loadu_epi16(mask, from.at<uint16_t>(row, column));
  }
}

/// Rows of a matrix of 16 x 16 units to columns.
SDXL_AVX512 inline void transpose(__m512i (&rows)[kLanes]) {
  __m512i pairs[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  for (int i = 0; i < kLanes; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {  // rows[4 q + i]: column 4 l + i of rows 4 q .. 4 q + 3 in lane l
    pairs[i] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0x88);
    pairs[i + 4] = _mm512_shuffle_i32x4(rows[i], rows[i + 4], 0xDD);
    pairs[i + 8] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0x88);
    pairs[i + 12] = _mm512_shuffle_i32x4(rows[i + 8], rows[i + 12], 0xDD);
  }
  for (int i = 0; i < 4; ++i) {
    rows[i] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0x88);
    rows[i + 8] = _mm512_shuffle_i32x4(pairs[i], pairs[i + 8], 0xDD);
    rows[i + 4] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0x88);
    rows[i + 12] = _mm512_shuffle_i32x4(pairs[i + 4], pairs[i + 12], 0xDD);
  }
}

/// Units unit .. unit + depth of columns column .. column + width to [depth, width]; `down` says
/// that the depth goes down the rows.
template <typename Type>
SDXL_AVX512 void lay_out(const Rows& from, bool down, int64_t unit, int64_t depth, int64_t column,
                         int64_t width, uint32_t* to) {
  for (int64_t c = 0; c < width; c += kLanes) {
    if (down) {
      for (int64_t u = 0; u < depth; ++u) {
        _mm512_store_si512(to + u * width + c, units_across<Type>(from, unit + u, column + c));
      }
      continue;
    }
    for (int64_t u = 0; u < depth; u += kLanes) {
      __m512i rows[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        rows[i] = units_along<Type>(from, column + c + i, unit + u);
      }
      transpose(rows);
      const int64_t count = std::min(kLanes, depth - u);
      for (int64_t i = 0; i < count; ++i) _mm512_store_si512(to + (u + i) * width + c, rows[i]);
    }
  }
}

/// Rows of a, units apart: a row's units follow each other by `unit_step`.
struct LeftRows {
  const uint32_t* data;
  int64_t row_step, unit_step;
};

/// sums [R, 16 * V] = or += a [R, depth] b [depth, 16 * V].
template <typename Type, int R, int V>
SDXL_AVX512 void multiply_rows(LeftRows a, const uint32_t* b, int64_t depth, float* sums,
                               bool add) {
  __m512 held[R][V];
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      held[r][v] = add ? _mm512_load_ps(sums + r * kTileColumns + v * kLanes) : _mm512_setzero_ps();
    }
  }
  const uint32_t* place = a.data;
  for (int64_t u = 0; u < depth; ++u) {
    __m512i columns[V];
    for (int v = 0; v < V; ++v) columns[v] = _mm512_load_si512(b + (u * V + v) * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < R; ++r) {
      const __m512i row = _mm512_set1_epi32(static_cast<int>(place[r * a.row_step]));
      for (int v = 0; v < V; ++v) {
        held[r][v] = Type::multiply_add(held[r][v], columns[v], row);
      }
    }
    place += a.unit_step;
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      _mm512_store_ps(sums + r * kTileColumns + v * kLanes, held[r][v]);
    }
  }
}

using MultiplyRows = void (*)(LeftRows, const uint32_t*, int64_t, float*, bool);

template <typename Type, int V>
MultiplyRows multiply_of(int64_t rows) {
  constexpr MultiplyRows kTable[] = {multiply_rows<Type, 1, V>, multiply_rows<Type, 2, V>,
                                     multiply_rows<Type, 3, V>, multiply_rows<Type, 4, V>,
                                     multiply_rows<Type, 5, V>, multiply_rows<Type, 6, V>};
  return kTable[rows - 1];
}

template <typename Type>
MultiplyRows multiply_of(int64_t rows, int64_t columns) {
  switch (columns / kLanes) {
    case 1:
      return multiply_of<Type, 1>(rows);
    case 2:
      return multiply_of<Type, 2>(rows);
    case 3:
      return multiply_of<Type, 3>(rows);
    default:
      return multiply_of<Type, 4>(rows);
  }
}

template <typename Type>
void multiply_tile(const LeftRows& a, const uint32_t* b, int64_t depth, int64_t rows,
                   int64_t columns, float* sums, bool add) {
  for (int64_t r = 0; r < rows; r += kRegisterRows) {
    const int64_t count = std::min<int64_t>(kRegisterRows, rows - r);
    multiply_of<Type>(count, columns)({a.data + r * a.row_step, a.row_step, a.unit_step}, b, depth,
                                      sums + r * kTileColumns, add);
  }
}

}  // namespace sdxl

#endif
