// Resizes, flips and crops a decoded picture, in this order, as diffusers' SDXL training scripts
// do. The time ids record the crop and the sizes that were used.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "io/image.h"
#include "io/resize.h"

namespace sdxl {

/// Height and width in pixels.
struct PixelSize {
  int64_t height = 0, width = 0;
  bool operator==(const PixelSize&) const = default;
};

struct TransformOptions {
  int64_t resolution = 1024;
  bool center_crop = false, random_flip = false;
  ResizeFilter filter = ResizeFilter::kLanczos;
};

/// The transform of one picture; depends on its size, not on its content.
struct TransformPlan {
  PixelSize original, resized, target;
  int64_t crop_top = 0, crop_left = 0;  ///< Pixels of the resized and flipped picture.
  bool flipped = false;

  /// [6] float32: original height and width, crop top and left, target height and width.
  at::Tensor time_ids() const;
};

/// The least size of the picture's shape that covers `target`, the other side rounded down. For a
/// square target this is torchvision's Resize(side).
PixelSize covering_size(PixelSize original, PixelSize target);

/// Error(kBadData) names `source` if a picture is empty, or so long that covering_size() has more
/// than kMaxPixels.
void check_covering_size(PixelSize original, PixelSize target, const std::string& source);

/// Draws crop and flip with index `index` of the random stream kImage. Errors are those of
/// check_covering_size().
TransformPlan plan_transform(PixelSize original, PixelSize target, const TransformOptions& options,
                             uint64_t seed, uint64_t index, const std::string& source);

/// Whether index `index` of the random stream kImage flips; false unless options.random_flip.
bool draws_flip(const TransformOptions& options, uint64_t seed, uint64_t index);

/// Transforms `image` to the plan's target size.
Image apply(const TransformPlan& plan, const Image& image, ResizeFilter filter);
/// The two halves of apply(): resizing, and flipping and cropping the resized picture.
Image resized(const TransformPlan& plan, const Image& image, ResizeFilter filter);
Image flipped_and_cropped(const TransformPlan& plan, const Image& resized);

/// Pixels as float32 in [-1, 1], [3, H, W].
at::Tensor normalized_pixels(const Image& image);
/// Writes the 3 * H * W values of normalized_pixels() to `out`.
void write_normalized_pixels(const Image& image, float* out);

}  // namespace sdxl
