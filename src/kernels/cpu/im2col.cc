#include "kernels/cpu/im2col.h"

#include <ATen/Parallel.h>

namespace sdxl {
namespace {

/// The nine neighbours of cell (y, x) of a picture [H, W, C], each channel's side by side.
template <typename T>
void gather_patch(const T* picture, int64_t height, int64_t width, int64_t channels, int64_t y,
                  int64_t x, T* to) {
  for (int64_t tap = 0; tap < 9; ++tap) {
    const int64_t row = y + tap / 3 - 1, column = x + tap % 3 - 1;
    const bool inside = row >= 0 && row < height && column >= 0 && column < width;
    const T* from = picture + (row * width + column) * channels;
    for (int64_t c = 0; c < channels; ++c) to[c * 9 + tap] = inside ? from[c] : T(0);
  }
}

template <typename T>
at::Tensor gather_patches(const at::Tensor& input) {
  const int64_t channels = input.size(1), height = input.size(2), width = input.size(3);
  const int64_t cells = height * width;
  at::Tensor result = at::empty({input.size(0) * cells, channels * 9}, input.options());
  const T* from = input.const_data_ptr<T>();
  T* to = result.data_ptr<T>();
  at::parallel_for(0, result.size(0), 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      gather_patch(from + i / cells * cells * channels, height, width, channels, i % cells / width,
                   i % width, to + i * channels * 9);
    }
  });
  return result;
}

}  // namespace

at::Tensor im2col_3x3(const at::Tensor& input) {
  const at::Tensor map = input.contiguous(at::MemoryFormat::ChannelsLast);
  return map.scalar_type() == at::kBFloat16 ? gather_patches<at::BFloat16>(map)
                                            : gather_patches<float>(map);
}

}  // namespace sdxl
