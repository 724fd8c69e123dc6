// A pattern is run as a nondeterministic automaton, which cannot take exponential time as
// backtracking does.
#include "base/files/glob.h"

#include <vector>

namespace sdxl {
namespace {

/// reached[i]: the pattern so far matches the first i bytes of the text.
using Reached = std::vector<bool>;

/// Where the set that opens at pattern[0] ends: the index of its ']', npos without one. A ']' that
/// comes first belongs to the set.
size_t end_of_set(std::string_view pattern) {
  const bool negated = pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^');
  return pattern.find(']', negated ? 3 : 2);
}

/// Whether `c` is in the set between the brackets, such as "a-z_" or "!0-9".
bool in_set(std::string_view set, char c) {
  const bool negated = set.starts_with('!') || set.starts_with('^');
  if (negated) set.remove_prefix(1);
  bool found = false;
  for (size_t i = 0; i < set.size(); ++i) {
    const bool range = i + 2 < set.size() && set[i + 1] == '-';
    found = found || (range ? set[i] <= c && c <= set[i + 2] : set[i] == c);
    if (range) i += 2;
  }
  return found != negated;
}

/// Every byte of `text` that `crosses` accepts may be skipped from a reached place.
template <typename Crosses>
void skip_any(std::string_view text, Reached& reached, Crosses crosses) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (reached[i] && crosses(text[i])) reached[i + 1] = true;
  }
}

/// For "**/": the place itself and every later start of a folder or file.
void skip_folders(std::string_view text, Reached& reached) {
  bool after = false;
  for (size_t i = 0; i < text.size(); ++i) {
    after = after || reached[i];
    if (after && text[i] == '/') reached[i + 1] = true;
  }
}

/// Moves every reached place on by one byte that `accepts` takes.
template <typename Accepts>
void take_one(std::string_view text, Reached& reached, Accepts accepts) {
  for (size_t i = text.size(); i > 0; --i) reached[i] = reached[i - 1] && accepts(text[i - 1]);
  reached[0] = false;
}

}  // namespace

bool glob_matches(std::string_view pattern, std::string_view text, GlobStyle style) {
  Reached reached(text.size() + 1);
  reached[0] = true;
  const auto crosses = [&](char c) { return style == GlobStyle::kText || c != '/'; };
  while (!pattern.empty()) {
    size_t used = 1;
    if (style == GlobStyle::kPath && pattern.starts_with("**/")) {
      skip_folders(text, reached);
      used = 3;
    } else if (pattern.starts_with("**")) {
      skip_any(text, reached, [](char) { return true; });
      used = 2;
    } else if (pattern[0] == '*') {
      skip_any(text, reached, crosses);
    } else if (const size_t end = pattern[0] == '[' ? end_of_set(pattern) : pattern.npos;
               end != pattern.npos) {
      const std::string_view set = pattern.substr(1, end - 1);
      take_one(text, reached, [&](char c) { return crosses(c) && in_set(set, c); });
      used = end + 1;
    } else {
      const char literal = pattern[0];
      take_one(text, reached, [&](char c) { return literal == '?' ? crosses(c) : c == literal; });
    }
    pattern.remove_prefix(used);
  }
  return reached[text.size()];
}

}  // namespace sdxl
