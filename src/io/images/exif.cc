// Walks the first directory of a TIFF structure (TIFF 6.0, section 2).
#include "io/images/exif.h"

#include <optional>

#include "io/byte_reader.h"

namespace sdxl::formats {
namespace {

constexpr uint16_t kOrientationTag = 0x0112;

/// The first value of an entry of an integer type; 0 for other types.
int entry_value(const ByteReader& tiff, size_t entry) {
  const uint16_t type = tiff.u16(entry + 2);
  const uint64_t count = tiff.u32(entry + 4);
  size_t size = 0;
  switch (type) {
    case 6:  // signed byte
      size = 1;
      break;
    case 3:  // short
    case 8:  // signed short
      size = 2;
      break;
    case 4:   // long
    case 9:   // signed long
    case 13:  // directory
      size = 4;
      break;
    default:
      return 0;
  }
  const size_t place = size * count > 4 ? tiff.u32(entry + 8) : entry + 8;
  const uint32_t value = size == 1 ? tiff.u8(place) : size == 2 ? tiff.u16(place) : tiff.u32(place);
  return value <= 8 ? static_cast<int>(value) : 0;
}

std::optional<int> exif_orientation(std::string_view exif) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  for (int i = 0; i < 2 && exif.starts_with(kPrefix); ++i) exif.remove_prefix(6);
  const bool big_endian = exif.starts_with("MM");
  if (!big_endian && !exif.starts_with("II")) return std::nullopt;
  const ByteReader tiff(exif, big_endian);
  try {
    if (tiff.u16(2) != 42) return std::nullopt;
    const size_t directory = tiff.u32(4);
    const size_t count = tiff.u16(directory);
    for (size_t i = 0; i < count; ++i) {
      const size_t entry = directory + 2 + 12 * i;
      if (tiff.u16(entry) == kOrientationTag && tiff.u32(entry + 4) > 0) {
        return entry_value(tiff, entry);
      }
    }
  } catch (const BadImage&) {  // Pillow ends the search at a damaged directory too.
  }
  return std::nullopt;
}

std::optional<int> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (size_t at = xmp.find(kName); at != xmp.npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with('>')) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

}  // namespace

int orientation_of(std::string_view exif, std::string_view xmp) {
  std::optional<int> value = exif_orientation(exif);
  if (!value) value = xmp_orientation(xmp);
  return value.value_or(1);
}

}  // namespace sdxl::formats
