#include "data/formats/csv.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "base/utf8.h"

namespace sdxl {

CsvReader::CsvReader(std::string_view text, std::string source)
    : text_(text),
      source_(std::move(source)),
      position_(text.size() - without_byte_order_mark(text).size()) {}

bool CsvReader::next(std::vector<std::string>* fields) {
  fields->clear();
  while (position_ < text_.size() && (text_[position_] == '\n' || text_[position_] == '\r')) {
    if (text_[position_] == '\n') ++next_line_;
    ++position_;
  }
  if (position_ >= text_.size()) return false;
  begin_ = position_;
  line_ = next_line_;
  while (true) {
    const bool quoted = position_ < text_.size() && text_[position_] == '"';
    fields->push_back(quoted ? quoted_field() : plain_field());
    if (position_ >= text_.size()) return true;
    const char separator = text_[position_++];
    if (separator == ',') continue;
    if (separator == '\r' && position_ < text_.size() && text_[position_] == '\n') ++position_;
    ++next_line_;
    return true;
  }
}

std::string CsvReader::quoted_field() {
  std::string field;
  ++position_;
  while (position_ < text_.size()) {
    const char c = text_[position_++];
    if (c != '"') {
      if (c == '\n') ++next_line_;
      field += c;
    } else if (position_ < text_.size() && text_[position_] == '"') {
      field += '"';
      ++position_;
    } else {
      if (position_ < text_.size() &&
          std::string_view(",\r\n").find(text_[position_]) == std::string_view::npos) {
        fail("has text after a closing quote");
      }
      return field;
    }
  }
  fail("has a quote that is never closed");
}

std::string CsvReader::plain_field() {
  const uint64_t begin = position_;
  position_ = std::min<uint64_t>(text_.find_first_of(",\r\n", position_), text_.size());
  return std::string(text_.substr(begin, position_ - begin));
}

void CsvReader::fail(const char* what) const {
  throw bad_data(str(source_, " line ", line_), what,
                 "; quote the whole field and double the quotes in it");
}

}  // namespace sdxl
