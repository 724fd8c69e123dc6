// UTF-8 as the Unicode standard defines it (version 15, table 3-7): no overlong forms, no
// surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace sdxl {

/// Bytes (1 to 4) of the character at the start of `text`; 0 if there is no valid one.
size_t utf8_length(std::string_view text);

/// Whether all of `text` is valid UTF-8.
bool is_utf8(std::string_view text);

/// Whether `byte` continues a character that an earlier byte began.
constexpr bool is_utf8_continuation(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// `text` without a leading byte order mark (U+FEFF).
constexpr std::string_view without_byte_order_mark(std::string_view text) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  return text.starts_with(kMark) ? text.substr(kMark.size()) : text;
}

}  // namespace sdxl
