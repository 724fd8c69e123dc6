// Reads numbers from untrusted bytes; every access is checked.
#pragma once

#include <cstdint>
#include <string_view>

#include "io/images/bad_image.h"

namespace sdxl::formats {

class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes, bool big_endian = false)
      : bytes_(bytes), big_endian_(big_endian) {}

  uint8_t u8(size_t offset) const { return static_cast<uint8_t>(slice(offset, 1)[0]); }
  uint16_t u16(size_t offset) const { return static_cast<uint16_t>(number(offset, 2)); }
  uint32_t u24(size_t offset) const { return number(offset, 3); }
  uint32_t u32(size_t offset) const { return number(offset, 4); }

  /// Throws BadImage if the bytes end too early.
  std::string_view slice(size_t offset, size_t size) const {
    if (offset > bytes_.size() || size > bytes_.size() - offset) {
      throw BadImage{"the file is cut short"};
    }
    return bytes_.substr(offset, size);
  }
  size_t size() const { return bytes_.size(); }

 private:
  uint32_t number(size_t offset, size_t size) const {
    const std::string_view digits = slice(offset, size);
    uint32_t value = 0;
    for (size_t i = 0; i < size; ++i) {
      value = value << 8 | static_cast<uint8_t>(digits[big_endian_ ? i : size - 1 - i]);
    }
    return value;
  }

  std::string_view bytes_;
  bool big_endian_;
};

}  // namespace sdxl::formats
