// The gradient of a kernel is the adjoint of the same algorithm: at each point of the transformed
// tiles a product of output gradients and inputs over all tiles, then the kernel's transform
// reversed.
#include <ATen/Parallel.h>

#include "kernels/cpu/winograd.h"
#include "kernels/cpu/winograd_tiles.h"

namespace sdxl {

#ifdef SDXL_HAS_AVX512_KERNELS
namespace {

constexpr int64_t kGroupBytes = 64 << 20;  // of transformed tiles
using Filter = WinogradF2;
constexpr int64_t kPanel = kTileColumns;  // channels, of either side

/// The transformed tiles of a map in panels of at most 64 channels, each [points, units, channels],
/// of units that run along the tiles.
template <typename Type, typename Tile>
class TilePanels {
 public:
  static constexpr int kPoints = Filter::kInputs * Filter::kInputs;

  TilePanels(const FeatureMap& map, const TileGrid<Filter>& grid, int64_t most_tiles)
      : map_(map),
        grid_(grid),
        most_units_(divided(most_tiles, Type::kPerUnit)),
        data_(aligned_memory(bytes(map.channels, most_units_))) {}

  static int64_t bytes(int64_t channels, int64_t units) {
    return divided(channels, kPanel) * kPoints * apart(units * kPanel) * sizeof(uint32_t);
  }
  /// The channels of the panel that begins with `channel`.
  int64_t width(int64_t channel) const { return std::min(kPanel, map_.channels - channel); }
  /// [units, width] of a point.
  uint32_t* panel(int64_t channel, int64_t point) const {
    return reinterpret_cast<uint32_t*>(data_.get()) +
           channel / kPanel * kPoints * apart(most_units_ * kPanel) +
           point * apart(most_units_ * width(channel));
  }

  /// Tiles first .. first + count to units 0 .. of the panels.
  void transform(int64_t first, int64_t count) {
    const int64_t units = divided(count, Type::kPerUnit);
    at::parallel_for(0, units, 1, [&](int64_t from, int64_t to) {
      for (int64_t unit = from; unit < to; ++unit) transform_unit(first, first + count, unit);
    });
  }

 private:
  SDXL_AVX512 void transform_unit(int64_t first, int64_t end, int64_t unit) {
    const int64_t tile = first + unit * Type::kPerUnit;
    const Tile low(map_, grid_, tile);
    // One past the last tile of all has no cells; of a group that has more to come, none is split.
    const Tile high(map_, grid_, Type::kPerUnit == 2 && tile + 1 < end ? tile + 1 : grid_.count);
    for (int64_t channel = 0; channel < map_.channels; channel += kLanes) {
      const int64_t begin = channel / kPanel * kPanel, columns = width(begin);
      uint32_t* to = panel(begin, 0) + unit * columns + channel - begin;
      __m512 first_points[kPoints], second_points[kPoints];
      low.transform(channel, first_points);
      if constexpr (Type::kPerUnit == 2) high.transform(channel, second_points);
      for (int64_t p = 0; p < kPoints; ++p, to += apart(most_units_ * columns)) {
        if constexpr (Type::kPerUnit == 1) {
          _mm512_store_ps(to, first_points[p]);
        } else {
          _mm512_store_si512(to, pair_units(first_points[p], second_points[p]));
        }
      }
    }
  }

  const FeatureMap& map_;
  const TileGrid<Filter>& grid_;
  int64_t most_units_;
  AlignedMemory data_;
};

/// sums [rows of a, columns of b] = the product over all units, 64 apart.
template <typename Type>
void multiply_units(const uint32_t* a, int64_t rows, const uint32_t* b, int64_t columns,
                    int64_t units, float* sums) {
  for (int64_t unit = 0; unit < units; unit += kDepth) {
    multiply_tile<Type>({a + unit * rows, 1, rows}, b + unit * columns,
                        std::min(kDepth, units - unit), rows, columns, sums, /*add=*/unit > 0);
  }
}

/// 16 kernels' gradients from the sums at their points, `step` apart, added to those at `to`
/// [16, 9] if there is something already.
SDXL_AVX512 void finish_kernels(const float* sums, int64_t step, bool add, float* to) {
  constexpr int kSide = Filter::kInputs;
  __m512 points[kSide * kSide], kernel[kTaps];
  for (int p = 0; p < kSide * kSide; ++p) points[p] = _mm512_load_ps(sums + p * step);
  apply_both_ways<typename Filter::KernelAdjoint, kSide, 3>(points, kernel);
  __m512i rows[kLanes];
  for (int i = 0; i < kLanes; ++i) {
    rows[i] = i < kTaps ? _mm512_castps_si512(kernel[i]) : _mm512_setzero_si512();
  }
  transpose(rows);
  const __mmask16 taps = lanes_below(kTaps);
  for (int i = 0; i < kLanes; ++i) {
    __m512 values = _mm512_castsi512_ps(rows[i]);
    if (add) values = values + _mm512_maskz_loadu_ps(taps, to + i * kTaps);
    _mm512_mask_storeu_ps(to + i * kTaps, taps, values);
  }
}

/// to [outputs, inputs, 9]
template <typename Type>
void sum_kernels(const FeatureMap& gradient, const FeatureMap& input, float* to) {
  constexpr int64_t kPoints = Filter::kInputs * Filter::kInputs;
  using Inputs = TilePanels<Type, InputTile<Type, Filter>>;
  using Gradients = TilePanels<Type, GradientTile<Type, Filter>>;
  const TileGrid<Filter> grid(input);
  constexpr int64_t kSquare = apart(kPanel * kPanel);
  const int64_t bytes = Inputs::bytes(input.channels, 1) + Inputs::bytes(gradient.channels, 1);
  const int64_t most =
      std::min(grid.count, std::max<int64_t>(kGroupBytes / bytes, 16) * Type::kPerUnit);
  Inputs inputs(input, grid, most);
  Gradients gradients(gradient, grid, most);
  const int64_t across = divided(input.channels, kPanel);
  const int64_t down = divided(gradient.channels, kPanel);
  for (int64_t first = 0; first < grid.count; first += most) {
    const int64_t count = std::min(most, grid.count - first);
    const int64_t units = divided(count, Type::kPerUnit);
    inputs.transform(first, count);
    gradients.transform(first, count);
    at::parallel_for(0, down * across, 1, [&](int64_t from, int64_t end) {
      const AlignedMemory memory = aligned_memory(kPoints * kSquare * sizeof(float));
      auto* sums = reinterpret_cast<float*>(memory.get());
      for (int64_t task = from; task < end; ++task) {
        const int64_t output = task / across * kPanel, channel = task % across * kPanel;
        const int64_t rows = gradients.width(output), columns = inputs.width(channel);
        for (int64_t p = 0; p < kPoints; ++p) {
          multiply_units<Type>(gradients.panel(output, p), rows, inputs.panel(channel, p), columns,
                               units, sums + p * kSquare);
        }
        for (int64_t row = 0; row < rows; ++row) {
          for (int64_t column = 0; column < columns; column += kLanes) {
            finish_kernels(sums + row * kPanel + column, kSquare, first > 0,
                           to + ((output + row) * input.channels + channel + column) * kTaps);
          }
        }
      }
    });
  }
}

}  // namespace

at::Tensor winograd_weight_gradient(const at::Tensor& output_gradient, const at::Tensor& input) {
  const at::Tensor gradient = output_gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor map = input.contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor sums = at::empty({gradient.size(1), map.size(1), 3, 3}, at::kFloat);
  const auto sum = map.scalar_type() == at::kFloat ? sum_kernels<Float32> : sum_kernels<BFloat16>;
  sum(feature_map(gradient), feature_map(map), sums.mutable_data_ptr<float>());
  return sums.to(map.scalar_type());
}

#else

at::Tensor winograd_weight_gradient(const at::Tensor&, const at::Tensor&) { return {}; }

#endif

}  // namespace sdxl
