// Pictures of 8-bit RGB: decoding as Pillow's open + exif_transpose + convert("RGB"), PNG encoding,
// resizing bit for bit as Pillow does. Free of LibTorch.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sdxl {

/// Pillow refuses larger pictures as decompression bombs.
constexpr int64_t kMaximalPixels = 178'956'970;

struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;  ///< height * width * 3, rows from the top.
};

enum class ResizeFilter { kNearest, kNearestExact, kBox, kBilinear, kHamming, kBicubic, kLanczos };
/// From --image_interpolation_mode; Error(kUsage).
ResizeFilter resize_filter_from_name(const std::string& name);

/// PNG, JPEG, WebP or BMP by content. Alpha is dropped without compositing; the orientation of EXIF
/// or XMP is applied; of animations the first frame is taken. Error(kBadData) names `source`.
/// Differs from Pillow, on purpose, in 16-bit gray, of which the high byte is kept (Pillow makes
/// white of all above 255), and in damaged PNGs, which are refused where Pillow leaves missing rows
/// black.
Image decode_image(std::string_view bytes, const std::string& source);
Image read_image(const std::filesystem::path& path);
/// Height and width (after EXIF orientation) from the header alone.
std::pair<int64_t, int64_t> image_size(std::string_view bytes, const std::string& source);

/// PNG with a chunk for each of these keys (1 to 79 characters of Latin-1) and texts: tEXt where
/// Latin-1 has all of the text's characters, else iTXt. Zero bytes and invalid UTF-8 become U+FFFD.
std::string encode_png(const Image& image,
                       const std::vector<std::pair<std::string, std::string>>& texts = {});
/// The tEXt, zTXt and iTXt chunks of a PNG, in UTF-8; Error(kBadData) if it is none.
std::vector<std::pair<std::string, std::string>> png_texts(std::string_view bytes);

/// Error(kBadData) if the result would have no pixels or more than can be read.
Image resize(const Image& image, int64_t height, int64_t width, ResizeFilter filter);
/// torchvision's Resize(size): the shorter side becomes `size`, the longer floor(size * long /
/// short).
Image resize_shorter_side(const Image& image, int64_t size, ResizeFilter filter);
/// The rectangle must lie inside of the picture.
Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);
Image flip_horizontally(const Image& image);

}  // namespace sdxl
