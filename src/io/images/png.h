// PNG files (ISO/IEC 15948) with texts.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/images/image.h"

namespace sdxl {

/// Encodes a PNG with one chunk for each pair of key (1 to 79 characters of Latin-1) and text
/// (UTF-8): tEXt if Latin-1 has all of its characters, else iTXt. Zero bytes and invalid UTF-8
/// become U+FFFD.
std::string encode_png(const Image& image,
                       const std::vector<std::pair<std::string, std::string>>& texts = {});

/// The keys and texts of a PNG's tEXt, zTXt and iTXt chunks, in UTF-8. Error(kBadData) for other
/// files.
std::vector<std::pair<std::string, std::string>> png_texts(std::string_view bytes);

}  // namespace sdxl
