// JSON as data sets hold it: values one after another, whatever lines they stand on, and the NaN
// and Infinity that Python's json writes. Free of LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"

namespace sdxl {

/// Walks through the values of a text without parsing them.
class JsonRows {
 public:
  /// `text` must outlive the object. Skips a byte order mark.
  explicit JsonRows(std::string_view text);

  /// Finds the next value; false at the end. What is not an object or a list ends with its line,
  /// and an object or list that is never closed ends with the text.
  bool next();
  std::string_view row() const { return text_.substr(begin_, end_ - begin_); }
  /// Where row() begins, in bytes.
  uint64_t begin() const { return begin_; }
  /// The line on which row() begins, counted from 1.
  int64_t line() const { return line_; }

 private:
  uint64_t end_of_value() const;

  std::string_view text_;
  uint64_t begin_ = 0, end_ = 0;
  int64_t line_ = 1;
};

/// parse_json() that takes NaN, Inf and Infinity, with or without "-", for null.
Json parse_json_row(std::string_view text, const std::string& source);

}  // namespace sdxl
