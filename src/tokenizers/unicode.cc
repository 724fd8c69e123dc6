#include "tokenizers/unicode.h"

#include <utf8proc.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <memory>
#include <new>

#include "base/utf8.h"
#include "tokenizers/unicode_tables.h"

namespace sdxl {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char32_t kCapitalIWithDot = 0x130;
constexpr std::string_view kSmallIWithDot = "i\xCC\x87";
/// The first byte of U+0300. Code points below it are their own normal form and don't combine.
constexpr unsigned char kFirstByteThatMayCombine = 0xCC;

template <size_t n>
bool in_ranges(const CodePointRange (&ranges)[n], uint32_t code_point) {
  auto range = std::lower_bound(std::begin(ranges), std::end(ranges), code_point,
                                [](const CodePointRange& r, uint32_t c) { return r.last < c; });
  return range != std::end(ranges) && range->first <= code_point;
}

/// Length of the maximal subpart of the invalid sequence that `text` begins with.
size_t maximal_subpart(std::string_view text) {
  for (size_t length : {3, 2}) {
    // A part that can begin a valid sequence is one once continuation bytes follow it.
    const std::string completed = std::string(text.substr(0, length)) + "\x80\x80";
    if (text.size() >= length && utf8_length(completed) > length) return length;
  }
  return 1;
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void append_nfc_of_segment(std::string_view text, std::string* result) {
  if (text.empty()) return;
  utf8proc_uint8_t* normal = nullptr;
  const auto length =
      utf8proc_map(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                   static_cast<utf8proc_ssize_t>(text.size()), &normal,
                   static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  const std::unique_ptr<utf8proc_uint8_t, decltype(&std::free)> owner(normal, &std::free);
  if (length < 0) throw std::bad_alloc();  // Nothing else can fail for valid text.
  result->append(reinterpret_cast<const char*>(normal), static_cast<size_t>(length));
}

char32_t lower_case_of(char32_t code_point) {
  for (const LowerCaseRange& range : kNewCapitals) {
    if (code_point >= range.first && code_point <= range.last &&
        (code_point - range.first) % range.step == 0) {
      return code_point + static_cast<char32_t>(range.distance);
    }
  }
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(code_point)));
}

}  // namespace

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = utf8_length(bytes);
    text.append(length > 0 ? bytes.substr(0, length) : kReplacement);
    bytes.remove_prefix(length > 0 ? length : maximal_subpart(bytes));
  }
  return text;
}

CodePoint code_point_at(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[at + i]); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  const char32_t second = byte(1) & 0x3F, third = byte(2) & 0x3F;
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | second << 6 | third, 3};
  return {(lead & 0x07) << 18 | second << 12 | third << 6 | (byte(3) & 0x3F), 4};
}

void append_utf8(char32_t code_point, std::string* text) {
  utf8proc_uint8_t bytes[4];
  const auto length = utf8proc_encode_char(static_cast<utf8proc_int32_t>(code_point), bytes);
  text->append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(length));
}

bool is_white_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= '\t' && c <= '\r');
  return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool is_letter(char32_t c) {
  if (c < 0x80) return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_LU && category <= UTF8PROC_CATEGORY_LO) ||
         in_ranges(kNewLetters, c);
}

bool is_number(char32_t c) {
  if (c < 0x80) return c >= '0' && c <= '9';
  const auto category = utf8proc_category(static_cast<utf8proc_int32_t>(c));
  return (category >= UTF8PROC_CATEGORY_ND && category <= UTF8PROC_CATEGORY_NO) ||
         in_ranges(kNewNumbers, c);
}

std::string nfc(std::string_view text) {
  const bool may_combine = std::any_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= kFirstByteThatMayCombine;
  });
  if (!may_combine) return std::string(text);
  // A code point that neither moves nor composes separates its two sides: normalise each alone.
  std::string result;
  size_t begin = 0;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.value >= 0x300 && in_ranges(kInertInNormalization, c.value)) {
      append_nfc_of_segment(text.substr(begin, at - begin), &result);
      result.append(text, at, c.length);
      begin = at + c.length;
    }
    at += c.length;
  }
  append_nfc_of_segment(text.substr(begin), &result);
  return result;
}

std::string collapse_white_space(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  bool in_space = false;
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (!is_white_space(c.value)) {
      result.append(text, at, c.length);
      in_space = false;
    } else if (!in_space) {
      result.push_back(' ');
      in_space = true;
    }
    at += c.length;
  }
  return result;
}

std::string lower_case(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  if (is_ascii(text)) {
    for (char c : text) result.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c);
    return result;
  }
  for (size_t at = 0; at < text.size();) {
    const CodePoint c = code_point_at(text, at);
    if (c.value == kCapitalIWithDot) {
      result.append(kSmallIWithDot);
    } else {
      append_utf8(lower_case_of(c.value), &result);
    }
    at += c.length;
  }
  return result;
}

std::string_view python_strip(std::string_view text) {
  const auto strips = [](char32_t c) { return is_white_space(c) || (c >= 0x1C && c <= 0x1F); };
  while (!text.empty()) {
    const CodePoint first = code_point_at(text, 0);
    if (!strips(first.value)) break;
    text.remove_prefix(first.length);
  }
  while (!text.empty()) {
    size_t last = text.size() - 1;
    while (last > 0 && is_utf8_continuation(text[last])) --last;
    if (!strips(code_point_at(text, last).value)) break;
    text.remove_suffix(text.size() - last);
  }
  return text;
}

}  // namespace sdxl
