// Decodes images as Pillow's open(), exif_transpose() and convert("RGB") do.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "io/image.h"

namespace sdxl {

/// Decodes PNG, JPEG, WebP, AVIF, TIFF, GIF or BMP, recognised by content. Drops alpha without
/// compositing, applies the orientation of EXIF or XMP, and takes the first frame of an animation.
/// Error(kBadData) names `source`.
///
/// Differs from Pillow on purpose: 16-bit gray keeps the high byte (Pillow turns all above 255 into
/// white), damaged PNGs are errors (Pillow leaves missing rows black), and uncompressed TIFFs of
/// YCbCr differ by at most 1.
Image decode_image(std::string_view bytes, const std::string& source);
Image read_image(const std::filesystem::path& path);
/// Height and width, after the orientation is applied, from the header alone.
std::pair<int64_t, int64_t> image_size(std::string_view bytes, const std::string& source);

}  // namespace sdxl
