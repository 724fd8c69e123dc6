// Pillow 13's ImagingResample for 8-bit images, bit for bit: fixed-point weights of 22 bits and one
// pass along each axis that rounds to 8 bits. Both passes run one vectorised kernel over blocks of
// bytes; the horizontal one transposes blocks of rows first.
#include "io/images/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/error.h"
#include "base/simd.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr int kPrecisionBits = 22;

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double bilinear(double x) {
  x = std::fabs(x);
  return x < 1.0 ? 1.0 - x : 0.0;
}

double hamming(double x) {
  x = std::fabs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= M_PI;
  // The two constants are single-precision numbers in Pillow.
  return std::sin(x) / x * (double{0.54f} + double{0.46f} * std::cos(x));
}

double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::fabs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= M_PI;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

struct Filter {
  double (*weight)(double);
  double support;
};

Filter filter_of(ResizeFilter filter) {
  switch (filter) {
    case ResizeFilter::kBox:
      return {box, 0.5};
    case ResizeFilter::kBilinear:
      return {bilinear, 1.0};
    case ResizeFilter::kHamming:
      return {hamming, 1.0};
    case ResizeFilter::kBicubic:
      return {bicubic, 2.0};
    default:
      return {lanczos, 3.0};
  }
}

/// For each output position the input positions it is a weighted sum of.
struct Taps {
  std::vector<int64_t> first, count;
  std::vector<int32_t> weights;  ///< `stride` for each output position.
  int64_t stride = 0;
};

Taps make_taps(int64_t in, int64_t out, const Filter& filter) {
  const double scale = static_cast<double>(in) / static_cast<double>(out);
  const double filter_scale = std::max(scale, 1.0);
  const double inverse_scale = 1.0 / filter_scale;
  const double support = filter.support * filter_scale;
  Taps taps;
  taps.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  taps.weights.assign(static_cast<size_t>(out * taps.stride), 0);
  std::vector<double> weights(static_cast<size_t>(taps.stride));
  for (int64_t i = 0; i < out; ++i) {
    const double center = (static_cast<double>(i) + 0.5) * scale;
    // NOLINTNEXTLINE(bugprone-incorrect-roundings): as Pillow rounds
    const int64_t first = std::max<int64_t>(0, static_cast<int64_t>(center - support + 0.5));
    // NOLINTNEXTLINE(bugprone-incorrect-roundings)
    const int64_t last = std::min(in, static_cast<int64_t>(center + support + 0.5));
    double sum = 0.0;
    for (int64_t j = 0; j < last - first; ++j) {
      weights[j] = filter.weight((static_cast<double>(j + first) - center + 0.5) * inverse_scale);
      sum += weights[j];
    }
    for (int64_t j = 0; j < last - first; ++j) {
      const double weight = (sum != 0.0 ? weights[j] / sum : weights[j]) * (1 << kPrecisionBits);
      taps.weights[i * taps.stride + j] = static_cast<int32_t>(weight + (weight < 0 ? -0.5 : 0.5));
    }
    taps.first.push_back(first);
    taps.count.push_back(last - first);
  }
  return taps;
}

/// Bytes that the kernel computes at once.
constexpr int64_t kBlock = 48;

/// out[i] = sum over taps t of weights[t] * in[t * stride + i], rounded to 8 bits.
inline __attribute__((always_inline)) void weighted_block(const uint8_t* in, int64_t stride,
                                                          const int32_t* weights, int64_t count,
                                                          uint8_t* out) {
  int32_t sums[kBlock];
  for (int32_t& sum : sums) sum = 1 << (kPrecisionBits - 1);
  for (int64_t t = 0; t < count; ++t, in += stride) {
    const int32_t weight = weights[t];
    for (int64_t i = 0; i < kBlock; ++i) sums[i] += weight * in[i];
  }
  for (int64_t i = 0; i < kBlock; ++i) {
    out[i] = static_cast<uint8_t>(std::clamp(sums[i] >> kPrecisionBits, 0, 255));
  }
}

/// One output row of the vertical pass, from rows of `width` bytes.
SDXL_SIMD void resize_column(const uint8_t* in, int64_t width, const int32_t* weights,
                             int64_t count, uint8_t* out) {
  int64_t i = 0;
  for (; i + kBlock <= width; i += kBlock) {
    weighted_block(in + i, width, weights, count, out + i);
  }
  for (; i < width; ++i) {
    int32_t sum = 1 << (kPrecisionBits - 1);
    for (int64_t t = 0; t < count; ++t) sum += weights[t] * in[t * width + i];
    out[i] = static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
  }
}

/// All output columns of kBlock / 3 rows, transposed so that a column's bytes are contiguous.
SDXL_SIMD void resize_turned(const uint8_t* in, const int64_t* first, const int64_t* count,
                             const int32_t* weights, int64_t stride, int64_t width, uint8_t* out) {
  for (int64_t x = 0; x < width; ++x, weights += stride, out += kBlock) {
    weighted_block(in + first[x] * kBlock, kBlock, weights, count[x], out);
  }
}

Image resize_vertically(const Image& image, int64_t height, const Filter& filter) {
  const Taps taps = make_taps(image.height, height, filter);
  const int64_t row = image.width * 3;
  Image out{height, image.width, std::vector<uint8_t>(static_cast<size_t>(height * row))};
  for (int64_t y = 0; y < height; ++y) {
    resize_column(&image.rgb[taps.first[y] * row], row, &taps.weights[y * taps.stride],
                  taps.count[y], &out.rgb[y * row]);
  }
  return out;
}

Image resize_horizontally(const Image& image, int64_t width, const Filter& filter) {
  constexpr int64_t kRows = kBlock / 3;
  const Taps taps = make_taps(image.width, width, filter);
  Image out{image.height, width,
            std::vector<uint8_t>(static_cast<size_t>(image.height * width * 3))};
  std::vector<uint8_t> turned(static_cast<size_t>(image.width * kBlock));
  std::vector<uint8_t> resized(static_cast<size_t>(width * kBlock));
  for (int64_t top = 0; top < image.height; top += kRows) {
    const int64_t rows = std::min(kRows, image.height - top);
    for (int64_t r = 0; r < rows; ++r) {
      const uint8_t* from = &image.rgb[(top + r) * image.width * 3];
      for (int64_t x = 0; x < image.width; ++x) {
        std::memcpy(&turned[x * kBlock + r * 3], from + x * 3, 3);
      }
    }
    resize_turned(turned.data(), taps.first.data(), taps.count.data(), taps.weights.data(),
                  taps.stride, width, resized.data());
    for (int64_t r = 0; r < rows; ++r) {
      uint8_t* to = &out.rgb[(top + r) * width * 3];
      for (int64_t x = 0; x < width; ++x) std::memcpy(to + x * 3, &resized[x * kBlock + r * 3], 3);
    }
  }
  return out;
}

/// The input position of each output position, -1 if rounding leads past the end. Adds up the
/// positions step by step, as Pillow does.
std::vector<int64_t> nearest_positions(int64_t in, int64_t out) {
  const double step = static_cast<double>(in) / static_cast<double>(out);
  double position = step * 0.5;
  std::vector<int64_t> positions;
  for (int64_t i = 0; i < out; ++i, position += step) {
    const auto whole = static_cast<int64_t>(position);
    positions.push_back(whole < in ? whole : -1);
  }
  return positions;
}

Image resize_nearest(const Image& image, int64_t height, int64_t width) {
  const std::vector<int64_t> columns = nearest_positions(image.width, width);
  const std::vector<int64_t> rows = nearest_positions(image.height, height);
  Image out{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  for (int64_t y = 0; y < height; ++y) {
    if (rows[y] < 0) continue;
    const uint8_t* from = &image.rgb[rows[y] * image.width * 3];
    uint8_t* to = &out.rgb[y * width * 3];
    for (int64_t x = 0; x < width; ++x) {
      if (columns[x] >= 0) std::memcpy(to + x * 3, from + columns[x] * 3, 3);
    }
  }
  return out;
}

}  // namespace

ResizeFilter resize_filter_from_name(const std::string& name) {
  static const std::map<std::string, ResizeFilter> kFilters = {
      {"nearest", ResizeFilter::kNearest}, {"nearest_exact", ResizeFilter::kNearestExact},
      {"box", ResizeFilter::kBox},         {"bilinear", ResizeFilter::kBilinear},
      {"hamming", ResizeFilter::kHamming}, {"bicubic", ResizeFilter::kBicubic},
      {"lanczos", ResizeFilter::kLanczos}};
  return kFilters.at(name);
}

Image resize(const Image& image, int64_t height, int64_t width, ResizeFilter filter) {
  if (height < 1 || width < 1 || height > kMaxPixels / width) {
    throw Error(ExitStatus::kBadData, "an image of ", image.width, "x", image.height,
                " cannot be resized to ", width, "x", height);
  }
  if (height == image.height && width == image.width) return image;
  // torchvision passes the same filter to Pillow for both names.
  if (filter == ResizeFilter::kNearest || filter == ResizeFilter::kNearestExact) {
    return resize_nearest(image, height, width);
  }
  const Filter chosen = filter_of(filter);
  if (width == image.width) return resize_vertically(image, height, chosen);
  if (height == image.height) return resize_horizontally(image, width, chosen);
  // Pillow 13 runs the vertical pass first if it removes much more than the horizontal one.
  const int64_t fewer_rows = image.height - height, fewer_columns = image.width - width;
  if (fewer_rows > 0 && fewer_rows > 2 * fewer_columns) {
    return resize_horizontally(resize_vertically(image, height, chosen), width, chosen);
  }
  return resize_vertically(resize_horizontally(image, width, chosen), height, chosen);
}

Image resize_shorter_side(const Image& image, int64_t size, ResizeFilter filter) {
  const int64_t shorter = std::min(image.height, image.width);
  const int64_t longer = std::max(image.height, image.width);
  const int64_t new_longer = size * longer / shorter;
  return image.height <= image.width ? resize(image, size, new_longer, filter)
                                     : resize(image, new_longer, size, filter);
}

}  // namespace sdxl
