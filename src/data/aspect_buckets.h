// Aspect-ratio buckets: the target sizes of pictures that keep their shape (--bucketing).
#pragma once

#include <cstdint>
#include <vector>

#include "data/transform.h"

namespace sdxl {

/// Sizes of at most resolution^2 pixels whose sides lie between resolution / 2 and 2 * resolution.
/// Sides are multiples of 64, or of resolution / 4 rounded down to a multiple of 8 if that is less.
/// Each width has the greatest height that fits, and each height the greatest width. Ordered by
/// height, then width.
std::vector<PixelSize> aspect_buckets(int64_t resolution);

/// The index of the bucket whose log aspect ratio is nearest to the picture's; among equals the
/// largest area wins, then the first bucket.
size_t nearest_bucket(const std::vector<PixelSize>& buckets, PixelSize picture);

}  // namespace sdxl
