// Images of 8-bit RGB and operations that move pixels. Free of LibTorch, as all image code in io/.
#pragma once

#include <cstdint>
#include <vector>

namespace sdxl {

/// Pillow refuses larger images as decompression bombs.
constexpr int64_t kMaxPixels = 178'956'970;

struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;  ///< [height, width, 3], rows from the top.
};

/// The image turned upright. `orientation` is EXIF's, 2 to 8 (EXIF 2.3, section 4.6.4): 2 to 4 keep
/// the sides, 5 to 8 exchange them.
Image upright(const Image& image, int orientation);

/// Error(kFailure) unless the rectangle lies inside the image.
Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);
Image flip_horizontally(const Image& image);

}  // namespace sdxl
