// Base64 (RFC 4648, with padding).
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

/// Error(kBadData) names `source` where `text` is not base64.
std::string decode_base64(std::string_view text, const std::string& source);

}  // namespace sdxl
