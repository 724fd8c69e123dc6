// The image formats that decode.cc knows; one source file implements each.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/bad_image.h"
#include "io/image.h"

namespace sdxl::formats {

struct Info {
  int64_t height = 0, width = 0;  ///< As stored, before the orientation is applied.
  int orientation = 1;            ///< EXIF's, 1 to 8; any other value means 1.
};

/// These read the headers alone. They throw BadImage.
Info png_info(std::string_view bytes);
Info jpeg_info(std::string_view bytes);
Info webp_info(std::string_view bytes);
Info bmp_info(std::string_view bytes);
Info gif_info(std::string_view bytes);
Info tiff_info(std::string_view bytes);
Info avif_info(std::string_view bytes);

/// These decode the pixels as stored. `info` is the result of the format's *_info() for these
/// bytes, with its size checked against the limits. They throw BadImage.
Image decode_png(std::string_view bytes, const Info& info);
Image decode_jpeg(std::string_view bytes, const Info& info);
Image decode_webp(std::string_view bytes, const Info& info);
Image decode_bmp(std::string_view bytes, const Info& info);
Image decode_gif(std::string_view bytes, const Info& info);
Image decode_tiff(std::string_view bytes, const Info& info);
Image decode_avif(std::string_view bytes, const Info& info);

}  // namespace sdxl::formats
