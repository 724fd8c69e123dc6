// Error messages of the plugin's C functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

namespace sdxl {

/// Writes the first line of `text` as a C string of at most `size` bytes.
inline void put_message(std::string text, char* message, uint64_t size) {
  if (size == 0) return;
  text.resize(std::min<size_t>({text.find('\n'), text.size(), size - 1}));
  std::memcpy(message, text.c_str(), text.size() + 1);
}

}  // namespace sdxl
