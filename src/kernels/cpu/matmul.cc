// Tiles of 64 columns: a block of b is laid out in the core's own cache, then multiplied by a few
// rows of a at a time, whose sums stay in registers.
#include "kernels/cpu/matmul.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <memory>
#include <new>

#include "kernels/cpu/matmul_tiles.h"

namespace sdxl {

#ifdef SDXL_HAS_AVX512_KERNELS
namespace {

constexpr int64_t kRun = 4;  // tiles side by side whose rows of a are laid out once

/// A thread's buffers, some 600 KiB.
struct MatmulBuffers {
  alignas(64) float sums[kRun][kTileRows * kTileColumns];
  alignas(64) uint32_t a[kDepth * kTileRows];
  alignas(64) uint32_t b[kDepth * kTileColumns];
};

MatmulBuffers& matmul_buffers() {
  static thread_local std::unique_ptr<MatmulBuffers> buffers(new MatmulBuffers);
  return *buffers;
}

/// One product's operands.
struct Operands {
  Rows a, b;
  bool a_down, b_down;  // the depth goes down the rows
  int64_t units;        // of the depth
};

struct Epilogue {
  float factor;
  Rows bias, residual;  // data is null without one
  void* output;
  int64_t output_stride;
  bool to_float;
  bool stream;  // past the caches
};

SDXL_AVX512 inline __m512 read_floats(const Rows& from, int64_t row, int64_t column) {
  return from.is_float ? Float32::load(from.at<float>(row, column))
                       : BFloat16::load(from.at<uint16_t>(row, column));
}

SDXL_AVX512 void finish_rows(const Epilogue& end, const float* sums, int64_t row, int64_t rows,
                             int64_t column, int64_t columns) {
  const __m512 factor = _mm512_set1_ps(end.factor);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; c += kLanes) {
      __m512 value = _mm512_mul_ps(_mm512_load_ps(sums + r * kTileColumns + c), factor);
      if (end.bias.data) value = _mm512_add_ps(value, read_floats(end.bias, 0, column + c));
      if (end.residual.data) {
        value = _mm512_add_ps(value, read_floats(end.residual, row + r, column + c));
      }
      const int64_t place = (row + r) * end.output_stride + column + c;
      if (end.stream) {
        _mm512_stream_ps(static_cast<float*>(end.output) + place, value);
      } else if (end.to_float) {
        Float32::store(static_cast<float*>(end.output) + place, value);
      } else {
        BFloat16::store(static_cast<uint16_t*>(end.output) + place, value);
      }
    }
  }
}

/// Rows row .. row + rows of `product.a` in a block of the depth.
template <typename Type>
LeftRows left_rows(const Operands& product, int64_t unit, int64_t depth, int64_t row, int64_t rows,
                   uint32_t* buffer) {
  if (!product.a_down) {
    const auto* first = product.a.at<typename Type::Element>(row, unit * Type::kPerUnit);
    return {reinterpret_cast<const uint32_t*>(first), product.a.stride / Type::kPerUnit, 1};
  }
  const int64_t width = round_up(rows, kLanes);
  lay_out<Type>(product.a, true, unit, depth, row, width, buffer);
  return {buffer, 1, width};
}

/// Rows row .. row + rows and at most kRun tiles of columns of the output.
template <typename Type>
void compute_tiles(const std::vector<Operands>& products, const Epilogue& end, int64_t row,
                   int64_t rows, int64_t column, int64_t columns) {
  MatmulBuffers& work = matmul_buffers();
  bool add = false;
  for (const Operands& product : products) {
    for (int64_t unit = 0; unit < product.units; unit += kDepth) {
      const int64_t depth = std::min(kDepth, product.units - unit);
      const LeftRows a = left_rows<Type>(product, unit, depth, row, rows, work.a);
      for (int64_t c = 0; c < columns; c += kTileColumns) {
        const int64_t width = std::min(kTileColumns, columns - c);
        lay_out<Type>(product.b, product.b_down, unit, depth, column + c, width, work.b);
        multiply_tile<Type>(a, work.b, depth, rows, width, work.sums[c / kTileColumns], add);
      }
      add = true;
    }
  }
  for (int64_t c = 0; c < columns; c += kTileColumns) {
    finish_rows(end, work.sums[c / kTileColumns], row, rows, column + c,
                std::min(kTileColumns, columns - c));
  }
  if (end.stream) _mm_sfence();
}

/// Rows of a tile: enough tiles for all threads, each as high as its buffers allow.
int64_t choose_tile_rows(int64_t rows, int64_t panels) {
  const int64_t wanted = divided(2 * at::get_num_threads(), panels);
  const int64_t parts = std::max(std::min(wanted, rows / 32), divided(rows, kTileRows));
  return std::min(kTileRows, round_up((rows + parts - 1) / std::max<int64_t>(parts, 1), kLanes));
}

template <typename Type>
void compute(const std::vector<Operands>& products, const Epilogue& end, int64_t rows,
             int64_t columns) {
  const int64_t panels = divided(columns, kTileColumns);
  const int64_t tile_rows = rows <= 32 ? rows : choose_tile_rows(rows, panels);
  const int64_t parts = divided(rows, tile_rows);
  int64_t units = 0;
  for (const Operands& product : products) units += product.units;
  // Waking a thread pays for some ten microseconds of work.
  const int64_t work = tile_rows * std::min(kTileColumns, columns) * units;
  const int64_t grain = std::max<int64_t>(1, (int64_t{1} << 18) / std::max<int64_t>(work, 1));
  // Rows that have to be laid out are for as many tiles as there is room for; others are read where
  // they lie, again for each panel of b, which is likely to come from memory.
  const bool share_rows = products.front().a_down;
  at::parallel_for(0, panels * parts, grain, [&](int64_t from, int64_t to) {
    for (int64_t task = from, count = 1; task < to; task += count) {
      const int64_t part = share_rows ? task / panels : task % parts;
      const int64_t panel = share_rows ? task % panels : task / parts;
      if (share_rows) count = std::min({kRun, panels - panel, to - task});
      const int64_t row = part * tile_rows, column = panel * kTileColumns;
      compute_tiles<Type>(products, end, row, std::min(tile_rows, rows - row), column,
                          std::min(count * kTileColumns, columns - column));
    }
  });
}

/// The matrix as its memory lies.
Rows rows_of(const at::Tensor& matrix) {
  const bool is_float = matrix.scalar_type() == at::kFloat;
  if (matrix.stride(1) == 1) {
    return {matrix.const_data_ptr(), matrix.stride(0), matrix.size(0), matrix.size(1), is_float};
  }
  return {matrix.const_data_ptr(), matrix.stride(1), matrix.size(1), matrix.size(0), is_float};
}

/// Whether the caches will have lost the output before it is read: a large weight's gradient.
bool is_streamed(const Operands& first, const at::Tensor& output) {
  constexpr int64_t kLarge = int64_t{1} << 18;
  return first.a_down && output.scalar_type() == at::kFloat && output.numel() >= kLarge &&
         reinterpret_cast<uintptr_t>(output.const_data_ptr()) % 64 == 0;
}

Operands operands_of(const MatrixProduct& product, int64_t per_unit) {
  const bool a_down = product.a.stride(1) != 1;
  const bool b_down = product.b.stride(1) == 1;
  const int64_t depth = std::min(product.a.size(1), product.b.size(0));
  return {rows_of(product.a), rows_of(product.b), a_down, b_down, divided(depth, per_unit)};
}

}  // namespace

void cpu_matmul(const std::vector<MatrixProduct>& products, const ProductOptions& options,
                const at::Tensor& output) {
  const bool is_float = options.dtype == at::kFloat;
  std::vector<Operands> operands;
  for (const MatrixProduct& product : products) {
    operands.push_back(operands_of(product, is_float ? 1 : 2));
  }
  Epilogue end{static_cast<float>(options.factor),
               {},
               {},
               output.mutable_data_ptr(),
               output.stride(0),
               output.scalar_type() == at::kFloat,
               is_streamed(operands.front(), output)};
  if (options.bias.defined()) end.bias = rows_of(options.bias.unsqueeze(0));
  if (options.residual.defined()) end.residual = rows_of(options.residual);
  const auto multiply = is_float ? compute<Float32> : compute<BFloat16>;
  multiply(operands, end, output.size(0), output.size(1));
}

#else

void cpu_matmul(const std::vector<MatrixProduct>&, const ProductOptions&, const at::Tensor&) {}

#endif

}  // namespace sdxl
