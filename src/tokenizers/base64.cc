// Base64 (RFC 4648, with padding).
#include "tokenizers/base64.h"

#include <cstdint>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string decode_base64(std::string_view text, const std::string& source) {
  const auto refuse = [&] {
    throw Error(ExitStatus::kBadData, str(source, ": holds a text that is not base64"));
  };
  if (text.size() % 4 != 0) refuse();
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) refuse();
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

}  // namespace sdxl
