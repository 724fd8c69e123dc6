#include "data/formats/json_rows.h"

#include <algorithm>

#include "base/utf8.h"

namespace sdxl {
namespace {

constexpr std::string_view kSpace = " \t\r\n";

/// The end of the text that begins with the quote at `at`: behind its closing quote, or at the end.
uint64_t end_of_text(std::string_view text, uint64_t at) {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '\\') {
      ++at;
    } else if (text[at] == '"') {
      return at + 1;
    }
  }
  return text.size();
}

/// The length of NaN, Inf or Infinity at the start of `text`; 0 if there is none.
size_t not_a_json_number(std::string_view text) {
  for (const std::string_view name : {"NaN", "Infinity", "Inf"}) {
    if (text.starts_with(name)) return name.size();
  }
  return 0;
}

/// `text` with null for every number that JSON does not know.
std::string with_nulls(std::string_view text) {
  std::string result;
  for (uint64_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      const uint64_t end = end_of_text(text, at);
      result += text.substr(at, end - at);
      at = end;
      continue;
    }
    const size_t sign = text[at] == '-' ? 1 : 0;
    if (const size_t length = not_a_json_number(text.substr(at + sign))) {
      result += "null";
      at += sign + length;
    } else {
      result += text[at++];
    }
  }
  return result;
}

}  // namespace

JsonRows::JsonRows(std::string_view text)
    : text_(text), end_(text.size() - without_byte_order_mark(text).size()) {}

bool JsonRows::next() {
  const uint64_t begin = std::min(text_.find_first_not_of(kSpace, end_), text_.size());
  line_ += std::count(text_.begin() + begin_, text_.begin() + begin, '\n');
  begin_ = begin;
  end_ = begin_ < text_.size() ? end_of_value() : begin_;
  return begin_ < text_.size();
}

uint64_t JsonRows::end_of_value() const {
  if (text_[begin_] != '{' && text_[begin_] != '[') {
    return std::min(text_.find('\n', begin_), text_.size());
  }
  int64_t depth = 0;
  for (uint64_t at = begin_; at < text_.size();) {
    const char c = text_[at];
    if (c == '"') {
      at = end_of_text(text_, at);
      continue;
    }
    ++at;
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return at;
  }
  return text_.size();
}

Json parse_json_row(std::string_view text, const std::string& source) {
  text = without_byte_order_mark(text);
  const bool plain = text.find("NaN") == text.npos && text.find("Inf") == text.npos;
  return plain ? parse_json(text, source) : parse_json(with_nulls(text), source);
}

}  // namespace sdxl
