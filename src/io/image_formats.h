// What image.cc asks of each picture format; one file here for each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "io/image.h"

namespace sdxl::formats {

/// A picture that cannot be read, and why; image.cc makes it an Error that names the source.
struct BadImage {
  std::string what;
};

struct Info {
  int64_t height = 0, width = 0;  ///< As stored, before the orientation is applied.
  int orientation = 1;            ///< EXIF's, 1 to 8; any other value means 1.
};

/// Each reads the headers alone. They throw BadImage.
Info png_info(std::string_view bytes);
Info jpeg_info(std::string_view bytes);
Info webp_info(std::string_view bytes);
Info bmp_info(std::string_view bytes);

/// The pixels as stored. `info` is what the format's own function says of these bytes, its size
/// checked to be within limits. They throw BadImage.
Image decode_png(std::string_view bytes, const Info& info);
Image decode_jpeg(std::string_view bytes, const Info& info);
Image decode_webp(std::string_view bytes, const Info& info);
Image decode_bmp(std::string_view bytes, const Info& info);

}  // namespace sdxl::formats
