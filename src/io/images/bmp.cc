// Decodes every kind of Windows bitmap that Pillow reads, with its rounding of 5 and 6 bits and its
// reading of run lengths. Source: BITMAPFILEHEADER and BITMAPINFOHEADER of the Windows API.
#include <algorithm>
#include <array>

#include "base/text.h"
#include "io/byte_reader.h"
#include "io/images/image_formats.h"

namespace sdxl::formats {
namespace {

enum Compression : uint32_t { kNone = 0, kRle8 = 1, kRle4 = 2, kBitFields = 3 };

struct BmpHeader {
  Info info;
  bool top_down = false;
  uint32_t bits = 0, compression = kNone;
  uint32_t palette_entries = 0, palette_stride = 4;
  size_t palette_offset = 0, data_offset = 0;
  std::array<uint32_t, 3> masks{};  ///< Red, green and blue, for 16 and 32 bits.
};

/// Supports 5-6-5 and 5-5-5 of 16 bits, and one byte for each colour of 32 bits.
bool masks_are_supported(const BmpHeader& header) {
  if (header.bits == 16) {
    return header.masks == std::array<uint32_t, 3>{0xf800, 0x7e0, 0x1f} ||
           header.masks == std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f};
  }
  uint32_t seen = 0;
  for (uint32_t mask : header.masks) {
    const bool whole_byte =
        mask == 0xffu || mask == 0xff00u || mask == 0xff0000u || mask == 0xff000000u;
    if (!whole_byte || (seen & mask) != 0) return false;
    seen |= mask;
  }
  return true;
}

void read_masks(const ByteReader& file, BmpHeader& header) {
  header.masks = header.bits == 16 ? std::array<uint32_t, 3>{0x7c00, 0x3e0, 0x1f}
                                   : std::array<uint32_t, 3>{0xff0000, 0xff00, 0xff};
  if (header.compression != kBitFields) return;
  std::array<uint32_t, 3> masks{};
  for (size_t i = 0; i < 3; ++i) masks[i] = file.u32(54 + 4 * i);
  if (header.bits != 32 || masks != std::array<uint32_t, 3>{0, 0, 0}) header.masks = masks;
  if (!masks_are_supported(header)) throw BadImage{"its bit fields are not supported"};
}

/// Reads a header of 40 bytes or more; the one of OS/2 1.x has 12.
void read_info_header(const ByteReader& file, uint32_t header_size, BmpHeader& header) {
  const auto height = static_cast<int32_t>(file.u32(22));
  header.top_down = height < 0;
  header.info.width = file.u32(18);
  header.info.height = header.top_down ? -int64_t{height} : int64_t{height};
  header.bits = file.u16(28);
  header.compression = file.u32(30);
  header.palette_entries = file.u32(46);
  header.palette_offset = 14 + header_size;
  if (header.compression == kBitFields && header_size == 40) header.palette_offset += 12;
}

BmpHeader read_bmp_header(std::string_view bytes) {
  const ByteReader file(bytes);
  BmpHeader header;
  const uint32_t header_size = file.u32(14);
  if (header_size == 12) {
    header.info.width = file.u16(18);
    header.info.height = file.u16(20);
    header.bits = file.u16(24);
    header.palette_stride = 3;
    header.palette_offset = 26;
  } else if (header_size >= 40 && header_size <= 124) {
    read_info_header(file, header_size, header);
  } else {
    throw BadImage{str("its header of ", header_size, " bytes is not supported")};
  }
  const bool runs = header.compression == kRle8 || header.compression == kRle4;
  const uint32_t bits = header.bits;
  if ((bits != 1 && bits != 4 && bits != 8 && bits != 16 && bits != 24 && bits != 32) ||
      header.compression > kBitFields || (runs && bits > 8) ||
      (header.compression == kBitFields && bits < 16)) {
    throw BadImage{
        str("its kind (", bits, " bits, compression ", header.compression, ") is not supported")};
  }
  if (bits > 8) read_masks(file, header);
  if (bits <= 8 && header.palette_entries == 0) header.palette_entries = 1u << bits;
  header.data_offset = file.u32(10);
  if (header.data_offset == 0) header.data_offset = header.palette_offset;
  if (header.data_offset == header.palette_offset && bits <= 8) {
    header.data_offset += size_t{header.palette_entries} * header.palette_stride;
  }
  return header;
}

using Palette = std::array<std::array<uint8_t, 3>, 256>;

/// Entries that the file does not have are black.
Palette read_palette(const ByteReader& file, const BmpHeader& header) {
  Palette palette{};
  const size_t count = std::min<size_t>(header.palette_entries, 256);
  for (size_t i = 0; i < count; ++i) {
    const size_t offset = header.palette_offset + i * header.palette_stride;
    for (size_t c = 0; c < 3; ++c) palette[i][c] = file.u8(offset + 2 - c);
  }
  return palette;
}

/// Unpacks a row of palette indices to one byte each.
void unpack_indices(const char* row, uint32_t bits, int64_t width, uint8_t* indices) {
  const int64_t per_byte = 8 / bits;
  const unsigned mask = (1u << bits) - 1;
  for (int64_t x = 0; x < width; ++x) {
    const unsigned byte = static_cast<uint8_t>(row[x / per_byte]);
    indices[x] = byte >> (bits * (per_byte - 1 - x % per_byte)) & mask;
  }
}

/// Decodes run lengths as Pillow does: indices in the file's order of rows, zero where none are
/// given.
std::vector<uint8_t> unroll(std::string_view data, const BmpHeader& header) {
  const size_t width = header.info.width, total = width * header.info.height;
  const bool rle4 = header.compression == kRle4;
  std::vector<uint8_t> out;
  out.reserve(total);
  size_t at = 0, x = 0;
  const auto nibbles = [&](size_t byte_at, size_t i) {
    const auto byte = static_cast<uint8_t>(data[byte_at]);
    return static_cast<uint8_t>(i % 2 == 0 ? byte >> 4 : byte & 15);
  };
  while (out.size() < total && at + 2 <= data.size()) {
    const size_t count = static_cast<uint8_t>(data[at]);
    const size_t code = static_cast<uint8_t>(data[at + 1]);
    at += 2;
    if (count > 0) {  // one value, or two in turn
      const size_t run = std::min(count, width - std::min(x, width));
      for (size_t i = 0; i < run; ++i) out.push_back(rle4 ? nibbles(at - 1, i) : code);
      x += run;
    } else if (code == 0) {  // end of the row
      while (out.size() % width != 0) out.push_back(0);
      x = 0;
    } else if (code == 1) {  // end of the image
      break;
    } else if (code == 2) {  // a jump to the right and up
      if (at + 2 > data.size()) break;
      const size_t jump =
          static_cast<uint8_t>(data[at]) + static_cast<uint8_t>(data[at + 1]) * width;
      out.resize(out.size() + std::min(total - out.size(), jump));
      x = out.size() % width;
      at += 2;
    } else {  // literal values, padded to an even offset in the file
      const size_t values = std::min(total - out.size(), code);
      const size_t size = rle4 ? (values + 1) / 2 : values;
      if (size > data.size() - at) break;
      for (size_t i = 0; i < values; ++i) {
        out.push_back(rle4 ? nibbles(at + i / 2, i) : static_cast<uint8_t>(data[at + i]));
      }
      x += code;
      at += size;
      at += (header.data_offset + at) % 2;
    }
  }
  if (out.size() < total && at + 2 > data.size()) throw BadImage{"the file is cut short"};
  out.resize(total);
  return out;
}

/// Scales the bits under a mask to 0..255, rounding down as Pillow does.
uint8_t field(uint32_t pixel, uint32_t mask) {
  const int shift = __builtin_ctz(mask);
  return static_cast<uint8_t>(((pixel & mask) >> shift) * 255 / (mask >> shift));
}

/// Unpacks a row of 16, 24 or 32 bits a pixel.
void unpack_colours(std::string_view row, const BmpHeader& header, uint8_t* rgb) {
  const ByteReader reader(row);
  for (int64_t x = 0; x < header.info.width; ++x, rgb += 3) {
    if (header.bits == 24) {
      for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(row[x * 3 + 2 - c]);
      continue;
    }
    const uint32_t pixel = header.bits == 16 ? reader.u16(x * 2) : reader.u32(x * 4);
    for (int c = 0; c < 3; ++c) rgb[c] = field(pixel, header.masks[c]);
  }
}

}  // namespace

Info bmp_info(std::string_view bytes) { return read_bmp_header(bytes).info; }

Image decode_bmp(std::string_view bytes, const Info& info) {
  const BmpHeader header = read_bmp_header(bytes);
  const ByteReader file(bytes);
  Image image{info.height, info.width, {}};
  const bool runs = header.compression == kRle8 || header.compression == kRle4;
  const size_t stride = (static_cast<size_t>(info.width) * header.bits + 31) / 32 * 4;
  const size_t available = bytes.size() - std::min(bytes.size(), header.data_offset);
  if (!runs && available < stride * info.height) throw BadImage{"the file is cut short"};
  image.rgb.resize(static_cast<size_t>(info.height * info.width * 3));

  const bool indexed = header.bits <= 8;
  const Palette palette = indexed ? read_palette(file, header) : Palette{};
  const std::string_view data = file.slice(header.data_offset, available);
  std::vector<uint8_t> indices = runs ? unroll(data, header) : std::vector<uint8_t>(info.width);
  for (int64_t y = 0; y < info.height; ++y) {
    uint8_t* rgb = &image.rgb[(header.top_down ? y : info.height - 1 - y) * info.width * 3];
    const std::string_view row = runs ? std::string_view() : data.substr(y * stride, stride);
    if (!indexed) {
      unpack_colours(row, header, rgb);
      continue;
    }
    if (!runs) unpack_indices(row.data(), header.bits, info.width, indices.data());
    const uint8_t* from = indices.data() + (runs ? y * info.width : 0);
    for (int64_t x = 0; x < info.width; ++x) std::copy_n(palette[from[x]].data(), 3, rgb + 3 * x);
  }
  return image;
}

}  // namespace sdxl::formats
