// The orientation in an image's EXIF or XMP data, found where Pillow finds it.
#pragma once

#include <string_view>

namespace sdxl::formats {

/// EXIF's orientation, else XMP's, else 1. `exif` is a TIFF structure, with or without "Exif\0\0"
/// before it. Damaged data counts as missing. The value may be outside 1 to 8.
int orientation_of(std::string_view exif, std::string_view xmp);

}  // namespace sdxl::formats
