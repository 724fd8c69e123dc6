// Aspect-ratio buckets: the sizes that pictures are cropped to when their shape is kept.
#pragma once

#include <cstdint>
#include <vector>

#include "data/transform.h"

namespace sdxl {

/// Sizes whose sides are multiples of 64 (of a quarter of the resolution, rounded down to 8, where
/// that is less) from half the resolution to twice, of at most resolution^2 pixels: for each width
/// the greatest height and the other way round. By height, then width.
std::vector<PixelSize> aspect_buckets(int64_t resolution);

/// The bucket of the nearest shape: least |log of the ratio of the aspect ratios|, then the larger
/// area, then the first.
size_t nearest_bucket(const std::vector<PixelSize>& buckets, PixelSize picture);

}  // namespace sdxl
