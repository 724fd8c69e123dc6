// From a decoded picture to what the VAE encodes and the UNet is told: resize, flip, crop, in this
// order; the crop and sizes recorded are those that were really used.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <string>

#include "io/image.h"

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

/// What is done with one picture, known from its size alone.
struct TransformPlan {
  PixelSize original, resized, target;
  int64_t crop_top = 0, crop_left = 0;  ///< In the resized (and flipped) picture.
  bool flipped = false;

  /// original height, width, crop top, left, target height, width: [6] float32.
  at::Tensor time_ids() const;
  bool enlarges() const {
    return resized.height > original.height || resized.width > original.width;
  }
};

/// The least size with the picture's shape that covers `target`, the longer side rounded down. For
/// a square target this is torchvision's Resize(side).
PixelSize covering_size(PixelSize original, PixelSize target);

/// The crop and flip of index `index` of the random stream `image` of a run with seed `seed`.
/// Error(kBadData) naming `source` for a shape so long that resizing it makes a huge picture.
TransformPlan plan_transform(PixelSize original, PixelSize target, const TransformOptions& options,
                             uint64_t seed, uint64_t index, const std::string& source);

/// Whether index `index` of the stream `image` flips (always false without random_flip).
bool draws_flip(const TransformOptions& options, uint64_t seed, uint64_t index);

/// The picture that the plan makes of `image`, of the plan's target size.
Image apply(const TransformPlan& plan, const Image& image, ResizeFilter filter);
/// Its two halves: the resized picture, and the flip and crop of that.
Image resized(const TransformPlan& plan, const Image& image, ResizeFilter filter);
Image flipped_and_cropped(const TransformPlan& plan, const Image& resized);

/// [3, H, W] float32 in [-1, 1].
at::Tensor normalized_pixels(const Image& image);
/// The same into 3 * H * W floats at `out`.
void write_normalized_pixels(const Image& image, float* out);

}  // namespace sdxl
