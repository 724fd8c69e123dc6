// The orientation that a picture's EXIF or XMP data asks for, found where Pillow finds it.
#pragma once

#include <optional>
#include <string_view>

namespace sdxl::formats {

/// From EXIF data (a TIFF structure, with or without "Exif\0\0" before it). Nothing if there is no
/// such tag; data that cannot be read counts as none. The value may be anything.
std::optional<int> exif_orientation(std::string_view exif);

/// From an XMP packet.
std::optional<int> xmp_orientation(std::string_view xmp);

/// EXIF's value, else XMP's, else 1.
int orientation_of(std::string_view exif, std::string_view xmp);

}  // namespace sdxl::formats
