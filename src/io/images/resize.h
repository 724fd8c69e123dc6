// Resizes images as Pillow does, bit for bit.
#pragma once

#include <string>

#include "io/images/image.h"

namespace sdxl {

enum class ResizeFilter { kNearest, kNearestExact, kBox, kBilinear, kHamming, kBicubic, kLanczos };
/// The filter of --image_interpolation_mode: "nearest", "lanczos", …
ResizeFilter resize_filter_from_name(const std::string& name);

/// Error(kBadData) if the result would have no pixels or more than kMaxPixels.
Image resize(const Image& image, int64_t height, int64_t width, ResizeFilter filter);
/// torchvision's Resize(size): the shorter side becomes `size`, the longer floor(size * long /
/// short).
Image resize_shorter_side(const Image& image, int64_t size, ResizeFilter filter);

}  // namespace sdxl
