// From a decoded picture to what the VAE encodes and the UNet is told: resize, flip, crop, in this
// order; the crop and sizes returned are those that were really used.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>

#include "io/image.h"

namespace sdxl {

struct TransformOptions {
  int64_t resolution = 1024;
  bool center_crop = false, random_flip = false;
  ResizeFilter filter = ResizeFilter::kLanczos;
};

struct TransformedImage {
  at::Tensor pixels;  ///< [3, H, W] float32 in [-1, 1]
  int64_t original_height = 0, original_width = 0;
  int64_t crop_top = 0, crop_left = 0;
  int64_t target_height = 0, target_width = 0;
  bool flipped = false;

  /// original height, width, crop top, left, target height, width: [6] float32.
  at::Tensor time_ids() const;
};

/// The transform of draw `draw` (random stream `image`) of a run with seed `seed`.
TransformedImage transform(const Image& image, const TransformOptions& options, uint64_t seed,
                           uint64_t draw);

}  // namespace sdxl
