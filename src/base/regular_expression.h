// Regular expressions in Perl's syntax (PCRE2), which covers what Python's `re` accepts.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace sdxl {

class RegularExpression {
 public:
  /// Throws std::invalid_argument with the reason if `pattern` is malformed.
  explicit RegularExpression(const std::string& pattern);
  ~RegularExpression();
  RegularExpression(RegularExpression&&) noexcept;
  RegularExpression& operator=(RegularExpression&&) noexcept;

  /// Whether all of `text` matches, as Python's re.fullmatch. Throws std::runtime_error if the
  /// match takes too many steps.
  bool matches(std::string_view text) const;

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace sdxl
