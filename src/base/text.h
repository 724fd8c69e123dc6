// Builds messages, escapes text from users, and finds the nearest name to a misspelt one.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

/// Prints the arguments one after the other with operator<<.
template <typename... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Makes text from users safe to print: control characters (C0, DEL, C1) and bytes of invalid UTF-8
/// become \xNN.
std::string escaped(std::string_view text);

/// escaped() between single quotes, cut to `limit` bytes with an ellipsis at the end.
std::string quoted(std::string_view text, size_t limit = 200);
// Overloads for std::string, since argument-dependent lookup prefers std::quoted otherwise.
inline std::string quoted(const std::string& text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(const char* text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(std::string& text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}

/// The parts between separators, at least one ("" has one empty part).
std::vector<std::string> split(std::string_view text, char separator);
/// `text` without the ASCII white space around it.
std::string_view trimmed(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The candidate nearest to `name` by edit distance (optimal string alignment). If none is near,
/// the shortest one with `name` among its words ("steps": "max_train_steps"), or "".
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// A count for people: "1 picture", "2 pictures".
std::string counted(int64_t count, std::string_view noun);

/// A size for people: 1536 is "1.5 KiB".
std::string bytes_text(uint64_t bytes);

/// A duration for people: 3725 is "1:02:05", 65 is "1:05"; "?" if it is negative or not finite.
std::string duration_text(double seconds);

}  // namespace sdxl
