// Uses the processor's CRC32 instruction, or else slicing-by-8 (Kounavis and Berry 2005).
#include "base/crc32c.h"

#include <array>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif
#endif

namespace sdxl {
namespace {

using Tables = std::array<std::array<uint32_t, 256>, 8>;

/// tables[k][b] is the remainder of byte b followed by k zero bytes, for the reflected polynomial.
constexpr Tables make_tables() {
  Tables tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t value = byte;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0u);
    tables[0][byte] = value;
  }
  for (size_t k = 1; k < 8; ++k) {
    for (size_t byte = 0; byte < 256; ++byte) {
      tables[k][byte] = tables[0][tables[k - 1][byte] & 0xFF] ^ (tables[k - 1][byte] >> 8);
    }
  }
  return tables;
}

uint32_t by_tables(uint32_t value, const char* data, size_t size) {
  static constexpr Tables kTables = make_tables();
  while (size >= 8) {
    const auto byte = [&](int i) { return uint32_t{static_cast<unsigned char>(data[i])}; };
    const uint32_t low = value ^ (byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24);
    value = kTables[7][low & 0xFF] ^ kTables[6][low >> 8 & 0xFF] ^ kTables[5][low >> 16 & 0xFF] ^
            kTables[4][low >> 24] ^ kTables[3][byte(4)] ^ kTables[2][byte(5)] ^
            kTables[1][byte(6)] ^ kTables[0][byte(7)];
    data += 8;
    size -= 8;
  }
  for (; size > 0; --size) {
    value = kTables[0][(value ^ static_cast<unsigned char>(*data++)) & 0xFF] ^ (value >> 8);
  }
  return value;
}

#if defined(__x86_64__)
bool has_instruction() { return __builtin_cpu_supports("sse4.2"); }

__attribute__((target("sse4.2"))) uint32_t by_instruction(uint32_t value, const char* data,
                                                          size_t size) {
  uint64_t wide = value;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    wide = _mm_crc32_u64(wide, word);
  }
  value = static_cast<uint32_t>(wide);
  for (; size > 0; --size) value = _mm_crc32_u8(value, static_cast<unsigned char>(*data++));
  return value;
}
#elif defined(__aarch64__)
bool has_instruction() { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("+crc"))) uint32_t by_instruction(uint32_t value, const char* data,
                                                        size_t size) {
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word;
    std::memcpy(&word, data, 8);
    value = __builtin_aarch64_crc32cx(value, word);
  }
  for (; size > 0; --size) {
    value = __builtin_aarch64_crc32cb(value, static_cast<unsigned char>(*data++));
  }
  return value;
}
#else
bool has_instruction() { return false; }
uint32_t by_instruction(uint32_t value, const char* data, size_t size) {
  return by_tables(value, data, size);
}
#endif

}  // namespace

uint32_t crc32c(std::string_view bytes) {
  static const bool instruction = has_instruction();
  const uint32_t start = ~uint32_t{0};
  return ~(instruction ? by_instruction : by_tables)(start, bytes.data(), bytes.size());
}

}  // namespace sdxl
