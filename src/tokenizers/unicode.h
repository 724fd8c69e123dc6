// The Unicode operations of the tokenizers' normalisers, as the tokenizers library 0.23 performs
// them.
//
// That library follows three versions of Unicode at once: 9.0 for normalisation, 16.0 for the
// classes of its regular expressions, 17.0 for lower case. utf8proc's tables (15.0) serve for all
// three, with the code points that differ listed in unicode_tables.h.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sdxl {

/// `bytes` with each maximal subpart of an invalid sequence replaced by U+FFFD.
std::string valid_utf8(std::string_view bytes);

/// The code point that begins at `text[at]`, and its length in bytes. `text` is valid UTF-8.
struct CodePoint {
  char32_t value;
  size_t length;
};
CodePoint code_point_at(std::string_view text, size_t at);

void append_utf8(char32_t code_point, std::string* text);

bool is_white_space(char32_t code_point);  ///< \s, which is White_Space.
bool is_letter(char32_t code_point);       ///< \p{L}
bool is_number(char32_t code_point);       ///< \p{N}

/// Normalisation form C.
std::string nfc(std::string_view text);
/// Each run of white space as one space.
std::string collapse_white_space(std::string_view text);
/// Each code point in lower case, without regard to its neighbours.
std::string lower_case(std::string_view text);

/// The end of the extended grapheme cluster that begins at `text[at]`, by Unicode 17.0 as far as
/// clusters of less than six bytes go.
size_t grapheme_end(std::string_view text, size_t at);

/// Without white space at both ends, as Python's str.strip() does (U+001C to U+001F count as such).
std::string_view python_strip(std::string_view text);

}  // namespace sdxl
