// Comma-separated values by RFC 4180: quoted fields with commas, line breaks and doubled quotes; LF
// and CRLF. A byte-order mark is skipped, and a quote inside a field that does not begin with one
// is a character like any other, as Python's csv has it. Free of LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

class CsvReader {
 public:
  /// `text` outlives the reader; `source` names it in errors (Error(kBadData)).
  CsvReader(std::string_view text, std::string source);

  /// The next record; false at the end. Empty lines are passed over.
  bool next(std::vector<std::string>* fields);
  /// Where the record that next() returned begins and ends in the text.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return position_; }
  /// The line (from 1) on which it begins.
  int64_t line() const { return line_; }

 private:
  std::string quoted_field();
  std::string plain_field();
  [[noreturn]] void fail(const char* what) const;

  std::string_view text_;
  std::string source_;
  uint64_t begin_ = 0, position_ = 0;
  int64_t line_ = 1, next_line_ = 1;
};

}  // namespace sdxl
