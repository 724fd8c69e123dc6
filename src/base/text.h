// Small text helpers: building messages, escaping what users wrote, near misses of names.
#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

/// The arguments printed one after the other.
template <typename... Args>
std::string str(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// User text made safe to print: control characters (C0, DEL, C1) and invalid UTF-8 as \xNN.
std::string escaped(std::string_view text);

/// escaped() between single quotes, cut to `limit` bytes with an ellipsis.
std::string quoted(std::string_view text, size_t limit = 200);
// For std::string itself, since argument-dependent lookup would prefer std::quoted, which escapes
// nothing.
inline std::string quoted(const std::string& text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(const char* text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}
inline std::string quoted(std::string& text, size_t limit = 200) {
  return quoted(std::string_view(text), limit);
}

std::vector<std::string> split(std::string_view text, char separator);
std::string_view trimmed(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);

/// The candidate nearest to `name` by edit distance, else the shortest one that has `name` among
/// its words (steps: max_train_steps), or "" when none is near.
std::string nearest(std::string_view name, const std::vector<std::string>& candidates);

/// 1536 -> "1.5 KiB"; for tables and messages.
std::string bytes_text(uint64_t bytes);

/// 3725 -> "1:02:05", 65 -> "1:05".
std::string duration_text(double seconds);

}  // namespace sdxl
