// Reads comma-separated values (RFC 4180): quoted fields may contain commas, line breaks and
// doubled quotes; lines end with LF or CRLF. Skips a byte order mark. A quote inside a field that
// does not begin with one is an ordinary character, as in Python's csv. Free of LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

class CsvReader {
 public:
  /// `text` must outlive the reader; Error(kBadData) names `source`.
  CsvReader(std::string_view text, std::string source);

  /// Reads the next record and skips empty lines; false at the end.
  bool next(std::vector<std::string>* fields);
  /// Where the last record begins and ends in the text, in bytes.
  uint64_t begin() const { return begin_; }
  uint64_t end() const { return position_; }
  /// The line on which the last record begins, counted from 1.
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
