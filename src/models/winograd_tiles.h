// Feature maps in the tiles of Winograd's filters.
#pragma once

#include <algorithm>

#include "models/matmul_tiles.h"
#include "models/winograd_transforms.h"

#ifdef SDXL_HAS_AVX512_KERNELS

namespace sdxl {

/// The distance of the points of transformed numbers that fill `size` units of 32 bits each: one
/// cache line more, since lines at multiples of a power of two drive each other out of the cache.
constexpr int64_t apart(int64_t size) { return size + kLanes; }

/// A map with channels last.
struct FeatureMap {
  const void* data;
  int64_t batch, channels, height, width;
};

inline FeatureMap feature_map(const at::Tensor& map) {
  return {map.const_data_ptr(), map.size(0), map.size(1), map.size(2), map.size(3)};
}

/// The output tiles of a batch of maps in one row: picture by picture, row by row.
template <typename Filter>
struct TileGrid {
  static constexpr int kSide = Filter::kOutputs;
  int64_t down, across, count;

  explicit TileGrid(const FeatureMap& map)
      : down((map.height + kSide - 1) / kSide),
        across((map.width + kSide - 1) / kSide),
        count(map.batch * down * across) {}

  /// Where a tile's first output lies.
  struct Place {
    int64_t picture, y, x;
  };
  Place place(int64_t tile) const {
    const int64_t row = tile / across;
    return {row / down, row % down * kSide, tile % across * kSide};
  }
};

/// The cells of a square of a map, of which some may lie outside.
template <typename Type, int Side>
class Patch {
 public:
  using Element = typename Type::Element;
  /// From row y and column x on; a tile past the last has no cell.
  Patch(const FeatureMap& map, int64_t picture, int64_t y, int64_t x) {
    const auto* data = static_cast<const Element*>(map.data);
    for (int i = 0; i < Side; ++i) {
      for (int j = 0; j < Side; ++j) {
        const int64_t row = y + i, column = x + j;
        const bool inside = picture < map.batch && row >= 0 && row < map.height && column >= 0 &&
                            column < map.width;
        const int64_t cell = (picture * map.height + row) * map.width + column;
        cells_[i * Side + j] = inside ? data + cell * map.channels : nullptr;
      }
    }
  }
  /// 16 channels from `channel` on, [Side, Side]; zeros outside.
  SDXL_AVX512_INLINE void load(int64_t channel, __m512* to) const {
    for (int i = 0; i < Side * Side; ++i) {
      to[i] = cells_[i] ? Type::load(cells_[i] + channel) : _mm512_setzero_ps();
    }
  }

 private:
  const Element* cells_[Side * Side];
};

/// The inputs of a tile, transformed.
template <typename Type, typename Filter>
class InputTile {
 public:
  static constexpr int kSide = Filter::kInputs;
  InputTile(const FeatureMap& map, const TileGrid<Filter>& grid, int64_t tile)
      : InputTile(map, grid.place(tile)) {}
  SDXL_AVX512_INLINE void transform(int64_t channel, __m512* to) const {
    __m512 cells[kSide * kSide];
    patch_.load(channel, cells);
    apply_both_ways<typename Filter::Input, kSide, kSide>(cells, to);
  }

 private:
  InputTile(const FeatureMap& map, const typename TileGrid<Filter>::Place& place)
      : patch_(map, place.picture, place.y - 1, place.x - 1) {}
  Patch<Type, kSide> patch_;
};

/// The gradients of a tile's outputs, transformed.
template <typename Type, typename Filter>
class GradientTile {
 public:
  GradientTile(const FeatureMap& map, const TileGrid<Filter>& grid, int64_t tile)
      : GradientTile(map, grid.place(tile)) {}
  SDXL_AVX512_INLINE void transform(int64_t channel, __m512* to) const {
    __m512 cells[Filter::kOutputs * Filter::kOutputs];
    patch_.load(channel, cells);
    apply_both_ways<typename Filter::OutputAdjoint, Filter::kOutputs, Filter::kInputs>(cells, to);
  }

 private:
  GradientTile(const FeatureMap& map, const typename TileGrid<Filter>::Place& place)
      : patch_(map, place.picture, place.y, place.x) {}
  Patch<Type, Filter::kOutputs> patch_;
};

/// 16 units of two rows of bfloat16: `first` in the low halves, `second` in the high ones.
SDXL_AVX512_INLINE __m512i pair_units(__m512 first, __m512 second) {
  const auto low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  const auto high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

}  // namespace sdxl

#endif
