// UTF-8, and the Unicode operations of CLIP's normaliser as the tokenizers library 0.23 performs
// them.
//
// That library follows three versions of Unicode at once: 9.0 for normalisation, 16.0 for the
// classes of its regular expressions, 17.0 for lower case. utf8proc's tables (15.0) serve for all
// three; unicode_tables.h lists the code points that differ.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sdxl {

/// Replaces each maximal subpart of an invalid sequence by U+FFFD.
std::string valid_utf8(std::string_view bytes);

struct CodePoint {
  char32_t value;
  size_t length;  ///< In bytes.
};
/// The code point that begins at `text[at]`. `text` is valid UTF-8.
CodePoint code_point_at(std::string_view text, size_t at);

void append_utf8(char32_t code_point, std::string* text);

bool is_white_space(char32_t code_point);  ///< \s, which is White_Space.
bool is_letter(char32_t code_point);       ///< \p{L}
bool is_number(char32_t code_point);       ///< \p{N}

/// Normalization Form C.
std::string nfc(std::string_view text);
/// Replaces each run of white space by one space.
std::string collapse_white_space(std::string_view text);
/// Lower-cases each code point without regard to its neighbours.
std::string lower_case(std::string_view text);

/// Removes white space from both ends as Python's str.strip() does, U+001C to U+001F included.
std::string_view python_strip(std::string_view text);

}  // namespace sdxl
