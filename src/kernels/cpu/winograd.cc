// A group of tiles is transformed once. Each thread then takes panels of 64 output channels:
// it transforms the kernel for some input channels, small enough for the core's own cache,
// multiplies all tiles by it, and at the end transforms the sums back.
#include "kernels/cpu/winograd.h"

#include <ATen/Parallel.h>

#include <vector>

#include "kernels/cpu/winograd_tiles.h"

namespace sdxl {

#ifdef SDXL_HAS_AVX512_KERNELS
namespace {

constexpr int64_t kBlockTiles = 24;        // most tiles that are multiplied at once
constexpr int64_t kGroupTiles = 192;       // most tiles for which a kernel is transformed once
constexpr int64_t kGroupBytes = 16 << 20;  // of their transformed inputs

/// How the kernel lies in memory, seen from the product that is to be computed.
enum class KernelOrder {
  kOutputsFirst,  ///< [outputs, inputs, 3, 3]
  kTurned,        ///< [inputs, outputs, 3, 3] with the taps in reverse: the inverse convolution
};

struct Convolution {
  FeatureMap input;
  const void* weight;
  KernelOrder order;
  int64_t outputs;
  const float* bias;     // [outputs], or null
  const void* residual;  // like the output, or null
  void* output;          // [B, H, W, outputs]
};

template <typename Type>
SDXL_AVX512_INLINE __m512 load_some(const typename Type::Element* from, __mmask16 mask) {
  if constexpr (Type::kPerUnit == 1) {
    return _mm512_maskz_loadu_ps(mask, from);
  } else {
    const __m512i halves = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, from));
    return _mm512_castsi512_ps(_mm512_slli_epi32(halves, 16));
  }
}

/// Kernels of 16 inputs from `input` on and `width` outputs from `output` on, as floats
/// [16 inputs, 9 taps, kTileColumns].
template <typename Type>
SDXL_AVX512 void read_kernels(const Convolution& conv, int64_t input, int64_t output, int64_t width,
                              float* to) {
  const auto* weight = static_cast<const typename Type::Element*>(conv.weight);
  for (int64_t column = 0; column < width; column += kLanes) {
    const bool turned = conv.order == KernelOrder::kTurned;
    const int64_t count = turned ? kTaps : kLanes;
    for (int64_t part = 0; part < kLanes * kTaps / count; ++part) {
      // Of each output, 16 of its 144 numbers; or, turned, the 9 taps of one input.
      __m512i rows[kLanes];
      for (int64_t i = 0; i < kLanes; ++i) {
        const int64_t kernel = turned ? (input + part) * conv.outputs + output + column + i
                                      : (output + column + i) * conv.input.channels + input;
        const auto* from = weight + kernel * kTaps + (turned ? 0 : part * kLanes);
        rows[i] = _mm512_castps_si512(load_some<Type>(from, lanes_below(count)));
      }
      transpose(rows);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t row = part * count + (turned ? kTaps - 1 - i : i);
        _mm512_store_si512(to + row * kTileColumns + column, rows[i]);
      }
    }
  }
}

/// The products of one group of tiles.
template <typename Type, typename Filter>
class TileGroup {
 public:
  using Element = typename Type::Element;
  static constexpr int kSide = Filter::kInputs, kPoints = kSide * kSide;
  static constexpr int64_t kDepth = (Type::kPerUnit == 1 ? 128 : 256);  // units of a kernel's part

  TileGroup(const Convolution& conv, const TileGrid<Filter>& grid)
      : conv_(conv),
        grid_(grid),
        row_(conv.input.channels + 64 / sizeof(Element)),  // no power of two: spread over the cache
        units_(conv.input.channels / Type::kPerUnit),
        most_tiles_(std::min(grid.count, std::clamp<int64_t>(kGroupBytes / tile_bytes(),
                                                             kBlockTiles, kGroupTiles))) {
    // Panels for all threads, and where they don't suffice, parts of the tiles.
    const int64_t threads = at::in_parallel_region() ? 1 : at::get_num_threads();
    panels_ = divided(conv.outputs, kTileColumns);
    parts_ = panels_ % threads == 0 ? 1 : std::min(threads, most_tiles_);
    const int64_t part = divided(most_tiles_, parts_);
    block_ = divided(part, divided(part, kBlockTiles));
    inputs_ = aligned_memory(round_up(most_tiles_, block_) * tile_bytes());
  }

  int64_t most_tiles() const { return most_tiles_; }

  void compute(int64_t first, int64_t count) {
    first_ = first;
    count_ = count;
    const int64_t blocks = divided(count, block_);
    at::parallel_for(0, count, grain(kPoints * conv_.input.channels),
                     [&](int64_t from, int64_t to) {
                       for (int64_t tile = from; tile < to; ++tile) transform_input(tile);
                     });
    const int64_t part = divided(blocks, parts_);
    const int64_t work = kPoints * part * block_ * units_ * kTileColumns / kLanes;
    at::parallel_for(0, panels_ * parts_, grain(work), [&](int64_t from, int64_t to) {
      for (int64_t task = from; task < to; ++task) {
        const int64_t begin = std::min(blocks, task % parts_ * part);
        multiply_panel(task / parts_ * kTileColumns, begin, std::min(blocks, begin + part));
      }
    });
  }

 private:
  struct Buffers {
    AlignedMemory kernels, sums, taps;
  };

  int64_t tile_bytes() const { return kPoints * row_ * sizeof(Element); }

  /// Items that are worth a thread, of `work` vector operations each.
  static int64_t grain(int64_t work) {
    return std::max<int64_t>(1, (int64_t{1} << 15) / std::max<int64_t>(work, 1));
  }

  Buffers& buffers() const {
    static thread_local Buffers buffers{
        aligned_memory(kPoints * apart(kDepth * kTileColumns) * sizeof(uint32_t)),
        aligned_memory(kPoints * (kGroupTiles + kBlockTiles) * apart(kTileColumns) * sizeof(float)),
        aligned_memory(kLanes * kTaps * kTileColumns * sizeof(float))};
    return buffers;
  }

  Element* inputs(int64_t block, int64_t point) const {
    return reinterpret_cast<Element*>(inputs_.get()) + (block * kPoints + point) * block_ * row_;
  }
  float* sums(float* all, int64_t block, int64_t point) const {
    return all + (block * kPoints + point) * apart(block_ * kTileColumns);
  }
  int64_t rows_of(int64_t block) const { return std::min(block_, count_ - block * block_); }

  SDXL_AVX512 void transform_input(int64_t tile) {
    const InputTile<Type, Filter> cells(conv_.input, grid_, first_ + tile);
    Element* to = inputs(tile / block_, 0) + tile % block_ * row_;
    for (int64_t channel = 0; channel < conv_.input.channels; channel += kLanes) {
      __m512 values[kPoints];
      cells.transform(channel, values);
      for (int64_t p = 0; p < kPoints; ++p) {
        Type::store(to + p * block_ * row_ + channel, values[p]);
      }
    }
  }

  /// The kernels of units unit .. unit + depth, [points, depth, width] units.
  SDXL_AVX512 void transform_kernels(int64_t unit, int64_t depth, int64_t output, int64_t width,
                                     const Buffers& work) const {
    auto* taps = reinterpret_cast<float*>(work.taps.get());
    auto* to = reinterpret_cast<uint32_t*>(work.kernels.get());
    for (int64_t u = 0; u < depth; u += kLanes / Type::kPerUnit) {
      read_kernels<Type>(conv_, (unit + u) * Type::kPerUnit, output, width, taps);
      for (int64_t i = 0; i < kLanes / Type::kPerUnit; ++i) {
        for (int64_t column = 0; column < width; column += kLanes) {
          const float* from = taps + i * Type::kPerUnit * kTaps * kTileColumns + column;
          transform_unit(from, to + (u + i) * width + column, apart(depth * width));
        }
      }
    }
  }

  /// One unit of 16 kernels, the points `step` apart.
  SDXL_AVX512 static void transform_unit(const float* from, uint32_t* to, int64_t step) {
    __m512 points[Type::kPerUnit][kPoints];
    for (int64_t half = 0; half < Type::kPerUnit; ++half) {
      __m512 kernel[kTaps];
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        kernel[tap] = _mm512_load_ps(from + (half * kTaps + tap) * kTileColumns);
      }
      apply_both_ways<typename Filter::Kernel, 3, kSide>(kernel, points[half]);
    }
    for (int64_t p = 0; p < kPoints; ++p) {
      if constexpr (Type::kPerUnit == 1) {
        _mm512_store_ps(to + p * step, points[0][p]);
      } else {
        _mm512_store_si512(to + p * step, pair_units(points[0][p], points[1][p]));
      }
    }
  }

  /// The outputs of one panel for blocks begin .. end.
  void multiply_panel(int64_t output, int64_t begin, int64_t end) const {
    if (begin == end) return;
    Buffers& work = buffers();
    auto* all_sums = reinterpret_cast<float*>(work.sums.get());
    const auto* kernels = reinterpret_cast<const uint32_t*>(work.kernels.get());
    const int64_t width = std::min(kTileColumns, conv_.outputs - output);
    for (int64_t unit = 0; unit < units_; unit += kDepth) {
      const int64_t depth = std::min(kDepth, units_ - unit);
      transform_kernels(unit, depth, output, width, work);
      for (int64_t block = begin; block < end; ++block) {
        for (int64_t p = 0; p < kPoints; ++p) {
          const Element* rows = inputs(block, p) + unit * Type::kPerUnit;
          multiply_tile<Type>({reinterpret_cast<const uint32_t*>(rows), row_ / Type::kPerUnit, 1},
                              kernels + p * apart(depth * width), depth, rows_of(block), width,
                              sums(all_sums, block - begin, p), /*add=*/unit > 0);
        }
      }
    }
    for (int64_t block = begin; block < end; ++block) {
      for (int64_t row = 0; row < rows_of(block); ++row) {
        finish_tile(sums(all_sums, block - begin, 0) + row * kTileColumns,
                    first_ + block * block_ + row, output, width);
      }
    }
  }

  SDXL_AVX512 void finish_tile(const float* from, int64_t tile, int64_t output,
                               int64_t width) const {
    constexpr int kOutputs = Filter::kOutputs;
    const auto place = grid_.place(tile);
    const FeatureMap& map = conv_.input;
    const int64_t rows = std::min<int64_t>(kOutputs, map.height - place.y);
    const int64_t columns = std::min<int64_t>(kOutputs, map.width - place.x);
    const int64_t cell = (place.picture * map.height + place.y) * map.width + place.x;
    for (int64_t channel = 0; channel < width; channel += kLanes) {
      __m512 points[kPoints], values[kOutputs * kOutputs];
      for (int64_t p = 0; p < kPoints; ++p) {
        points[p] = _mm512_load_ps(from + p * apart(block_ * kTileColumns) + channel);
      }
      apply_both_ways<typename Filter::Output, kSide, kOutputs>(points, values);
      const __m512 bias =
          conv_.bias ? _mm512_loadu_ps(conv_.bias + output + channel) : _mm512_setzero_ps();
      for (int64_t y = 0; y < rows; ++y) {
        for (int64_t x = 0; x < columns; ++x) {
          const int64_t at = (cell + y * map.width + x) * conv_.outputs + output + channel;
          __m512 value = values[y * kOutputs + x] + bias;
          if (conv_.residual) value += Type::load(static_cast<const Element*>(conv_.residual) + at);
          Type::store(static_cast<Element*>(conv_.output) + at, value);
        }
      }
    }
  }

  const Convolution& conv_;
  const TileGrid<Filter>& grid_;
  int64_t row_;  // elements from one tile's inputs to the next one's
  int64_t units_, most_tiles_;
  int64_t panels_, parts_;  // of the outputs' channels and of a group's tiles
  int64_t block_;           // tiles
  AlignedMemory inputs_;    // [blocks, points, block_, row_]
  int64_t first_ = 0, count_ = 0;
};

template <typename Type, typename Filter>
void convolve(const Convolution& conv) {
  const TileGrid<Filter> grid(conv.input);
  TileGroup<Type, Filter> group(conv, grid);
  for (int64_t tile = 0; tile < grid.count; tile += group.most_tiles()) {
    group.compute(tile, std::min(group.most_tiles(), grid.count - tile));
  }
}

at::Tensor channels_last(const at::Tensor& map) {
  return map.contiguous(at::MemoryFormat::ChannelsLast);
}

at::Tensor convolve(const at::Tensor& input, const at::Tensor& weight, KernelOrder order,
                    int64_t outputs, const at::Tensor& bias, const at::Tensor& residual,
                    WinogradTile tile) {
  const at::Tensor map = channels_last(input);
  const at::Tensor output = at::empty({map.size(0), outputs, map.size(2), map.size(3)},
                                      map.options(), at::MemoryFormat::ChannelsLast);
  Convolution conv{feature_map(map), weight.const_data_ptr(),  order, outputs, nullptr,
                   nullptr,          output.mutable_data_ptr()};
  const at::Tensor floats = bias.defined() ? bias.to(at::kFloat).contiguous() : bias;
  const at::Tensor added =
      residual.defined() ? channels_last(residual.to(map.scalar_type())) : residual;
  if (floats.defined()) conv.bias = floats.const_data_ptr<float>();
  if (added.defined()) conv.residual = added.const_data_ptr();
  if (map.scalar_type() != at::kFloat) {
    convolve<BFloat16, WinogradF2>(conv);
  } else if (tile == WinogradTile::k2x2) {
    convolve<Float32, WinogradF2>(conv);
  } else {
    convolve<Float32, WinogradF4>(conv);
  }
  return output;
}

/// From how many on the transforms cost less than the multiplications that they save.
int64_t fewest_channels(at::ScalarType dtype) { return dtype == at::kFloat ? 16 : 64; }

}  // namespace

bool winograd_takes(const at::Tensor& weight) {
  return weight.dim() == 4 && weight.is_cpu() && weight.layout() == at::kStrided &&
         weight.size(2) == 3 && weight.size(3) == 3 && weight.size(0) % kLanes == 0 &&
         weight.size(1) % kLanes == 0 && avx512_takes(weight.scalar_type()) &&
         std::min(weight.size(0), weight.size(1)) >= fewest_channels(weight.scalar_type());
}

bool winograd_takes(const at::Tensor& input, const at::Tensor& weight) {
  return winograd_takes(weight) && input.scalar_type() == weight.scalar_type() && input.is_cpu() &&
         input.numel() > 0;
}

at::Tensor winograd_conv2d(const at::Tensor& input, const at::Tensor& weight,
                           const at::Tensor& bias, const at::Tensor& residual, WinogradTile tile) {
  return convolve(input, weight.contiguous(), KernelOrder::kOutputsFirst, weight.size(0), bias,
                  residual, tile);
}

at::Tensor winograd_input_gradient(const at::Tensor& output_gradient, const at::Tensor& weight) {
  return convolve(output_gradient, weight.contiguous(), KernelOrder::kTurned, weight.size(1), {},
                  {}, WinogradTile::k2x2);
}

#else

bool winograd_takes(const at::Tensor&) { return false; }
bool winograd_takes(const at::Tensor&, const at::Tensor&) { return false; }
at::Tensor winograd_conv2d(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                           const at::Tensor&, WinogradTile) {
  return {};
}
at::Tensor winograd_input_gradient(const at::Tensor&, const at::Tensor&) { return {}; }

#endif

}  // namespace sdxl
