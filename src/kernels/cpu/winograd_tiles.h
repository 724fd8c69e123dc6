// Cuts feature maps into the tiles of Winograd's filters and transforms them.
#pragma once

#include <algorithm>

#include "kernels/cpu/matmul_tiles.h"
#include "kernels/cpu/winograd_transforms.h"

#ifdef SDXL_HAS_AVX512_KERNELS

namespace sdxl {

constexpr int64_t kTaps = 9;  // of a kernel

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
      : down(divided(map.height, kSide)),
        across(divided(map.width, kSide)),
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

/// A square of Side x Side cells, from Margin cells before a tile's first output on, transformed to
/// the points of its inputs.
template <typename Type, typename Filter, typename Transform, int Side, int Margin>
class TransformedTile {
 public:
  TransformedTile(const FeatureMap& map, const TileGrid<Filter>& grid, int64_t tile)
      : TransformedTile(map, grid.place(tile)) {}
  SDXL_AVX512_INLINE void transform(int64_t channel, __m512* to) const {
    __m512 cells[Side * Side];
    patch_.load(channel, cells);
    apply_both_ways<Transform, Side, Filter::kInputs>(cells, to);
  }

 private:
  TransformedTile(const FeatureMap& map, const typename TileGrid<Filter>::Place& place)
      : patch_(map, place.picture, place.y - Margin, place.x - Margin) {}
  Patch<Type, Side> patch_;
};

/// The inputs of a tile.
template <typename Type, typename Filter>
using InputTile = TransformedTile<Type, Filter, typename Filter::Input, Filter::kInputs, 1>;

/// The gradients of a tile's outputs.
template <typename Type, typename Filter>
using GradientTile =
    TransformedTile<Type, Filter, typename Filter::OutputAdjoint, Filter::kOutputs, 0>;

/// 16 units of two rows of bfloat16: `first` in the low halves, `second` in the high ones.
SDXL_AVX512_INLINE __m512i pair_units(__m512 first, __m512 second) {
  const auto low = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(first)));
  const auto high = _mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(second)));
  return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

}  // namespace sdxl

#endif
