#include "io/images/image.h"

#include <cstring>

#include "base/error.h"

namespace sdxl {

Image upright(const Image& image, int orientation) {
  const bool exchanged = orientation >= 5;
  const int64_t height = exchanged ? image.width : image.height;
  const int64_t width = exchanged ? image.height : image.width;
  // The direction of the upright image's rows and columns in the stored one.
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t stride = image.width * 3;
  const int64_t step_x = from_right ? -3 : 3, step_y = from_below ? -stride : stride;
  const uint8_t* row = image.rgb.data() + (from_right ? stride - 3 : 0) +
                       (from_below ? (image.height - 1) * stride : 0);
  const int64_t row_step = exchanged ? step_x : step_y, pixel_step = exchanged ? step_y : step_x;

  Image turned{height, width, std::vector<uint8_t>(image.rgb.size())};
  uint8_t* out = turned.rgb.data();
  for (int64_t y = 0; y < height; ++y, row += row_step) {
    const uint8_t* pixel = row;
    for (int64_t x = 0; x < width; ++x, pixel += pixel_step, out += 3) std::memcpy(out, pixel, 3);
  }
  return turned;
}

Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  if (top < 0 || left < 0 || height < 1 || width < 1 || top > image.height - height ||
      left > image.width - width) {
    throw Error(ExitStatus::kFailure, "a crop of ", width, "x", height, " at ", left, ",", top,
                " is not inside an image of ", image.width, "x", image.height);
  }
  Image cropped{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  for (int64_t y = 0; y < height; ++y) {
    std::memcpy(&cropped.rgb[y * width * 3], &image.rgb[((top + y) * image.width + left) * 3],
                static_cast<size_t>(width * 3));
  }
  return cropped;
}

Image flip_horizontally(const Image& image) { return upright(image, 2); }

}  // namespace sdxl
