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

struct Image {
  int64_t height = 0, width = 0;
  std::vector<uint8_t> rgb;  ///< height * width * 3, rows from the top.
};

enum class ResizeFilter { kNearest, kNearestExact, kBox, kBilinear, kHamming, kBicubic, kLanczos };
/// From --image_interpolation_mode; Error(kUsage).
ResizeFilter resize_filter_from_name(const std::string& name);

/// PNG, JPEG, WebP or BMP by content. Alpha is dropped without compositing; EXIF orientation is
/// applied. Error(kBadData) names `source`.
Image decode_image(std::string_view bytes, const std::string& source);
Image read_image(const std::filesystem::path& path);
/// Height and width (after EXIF orientation) from the header alone.
std::pair<int64_t, int64_t> image_size(std::string_view bytes, const std::string& source);

/// PNG with tEXt/iTXt chunks of these keys and texts.
std::string encode_png(const Image& image,
                       const std::vector<std::pair<std::string, std::string>>& texts = {});
/// The tEXt/iTXt chunks of a PNG.
std::vector<std::pair<std::string, std::string>> png_texts(std::string_view bytes);

Image resize(const Image& image, int64_t height, int64_t width, ResizeFilter filter);
/// torchvision's Resize(size): the shorter side becomes `size`, the longer floor(size * long /
/// short).
Image resize_shorter_side(const Image& image, int64_t size, ResizeFilter filter);
Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width);
Image flip_horizontally(const Image& image);

}  // namespace sdxl
