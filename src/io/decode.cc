#include "io/decode.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "io/image_formats.h"
#include "io/png_chunks.h"

namespace sdxl {
namespace {

using formats::BadImage;
using formats::Info;

constexpr int64_t kMaxSide = 65'535;
constexpr uint64_t kMaxFileSize = uint64_t{512} << 20;

template <typename... Parts>
Error unreadable(const std::string& source, const Parts&... parts) {
  return bad_data(source, "not a readable image: ", parts...);
}

struct Format {
  const char* name;
  bool (*matches)(std::string_view bytes);
  Info (*info)(std::string_view bytes);
  Image (*decode)(std::string_view bytes, const Info& info);
};

bool is_tiff(std::string_view bytes) {
  for (const std::string_view mark : {std::string_view("II*\0", 4), std::string_view("MM\0*", 4),
                                      std::string_view("II+\0", 4), std::string_view("MM\0+", 4)}) {
    if (bytes.starts_with(mark)) return true;
  }
  return false;
}

/// By the brands in the first box: the major one, or one that the file is compatible with.
bool is_avif(std::string_view bytes) {
  if (bytes.size() < 16 || bytes.substr(4, 4) != "ftyp") return false;
  const auto byte = [&](size_t i) { return size_t{static_cast<unsigned char>(bytes[i])}; };
  const size_t length = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  for (size_t at = 8; at + 4 <= std::min(length, bytes.size()); at += 4) {
    const std::string_view brand = bytes.substr(at, 4);
    if (at != 12 && (brand == "avif" || brand == "avis")) return true;
  }
  return false;
}

constexpr Format kFormats[] = {
    {"a PNG", [](std::string_view b) { return b.starts_with(formats::kPngSignature); },
     formats::png_info, formats::decode_png},
    {"a JPEG", [](std::string_view b) { return b.starts_with("\xff\xd8\xff"); }, formats::jpeg_info,
     formats::decode_jpeg},
    {"a WebP",
     [](std::string_view b) {
       return b.size() >= 16 && b.starts_with("RIFF") && b.substr(8, 4) == "WEBP";
     },
     formats::webp_info, formats::decode_webp},
    {"a BMP", [](std::string_view b) { return b.starts_with("BM"); }, formats::bmp_info,
     formats::decode_bmp},
    {"a GIF", [](std::string_view b) { return b.starts_with("GIF87a") || b.starts_with("GIF89a"); },
     formats::gif_info, formats::decode_gif},
    {"a TIFF", is_tiff, formats::tiff_info, formats::decode_tiff},
    {"an AVIF", is_avif, formats::avif_info, formats::decode_avif},
};

struct Foreign {
  size_t offset;
  std::string_view mark;
  const char* name;
};

/// Other files in users' folders, named so that users know what to convert.
constexpr Foreign kForeign[] = {
    {4, "ftyphe", "a HEIC"},
    {4, "ftypmif1", "a HEIF"},
    {4, "ftyp", "a video"},
    {0, "\xff\x4f\xff\x51", "a JPEG 2000"},
    {4, "jP  ", "a JPEG 2000"},
    {0, "\xff\x0a", "a JPEG XL"},
    {4, "JXL ", "a JPEG XL"},
    {0, "8BPS", "a Photoshop file"},
    {0, {"\0\0\1\0", 4}, "an icon"},
    {0, "qoif", "a QOI"},
    {0, "DDS ", "a DDS"},
    {0, "#?RADIANCE", "a Radiance HDR"},
    {0, "P1\n", "a PBM"},
    {0, "P2\n", "a PGM"},
    {0, "P3\n", "a PPM"},
    {0, "P4\n", "a PBM"},
    {0, "P5\n", "a PGM"},
    {0, "P6\n", "a PPM"},
    {0, "<svg", "an SVG"},
    {0, "<?xml", "an XML file"},
    {0, "%PDF", "a PDF"},
    {0, "PK\3\4", "a ZIP archive"},
};

const Format& find_format(std::string_view bytes, const std::string& source) {
  if (bytes.empty()) throw unreadable(source, "the file is empty");
  if (bytes.size() > kMaxFileSize) throw unreadable(source, "the file is larger than 512 MiB");
  for (const Format& format : kFormats) {
    if (format.matches(bytes)) return format;
  }
  for (const Foreign& foreign : kForeign) {
    if (bytes.substr(std::min(foreign.offset, bytes.size()), foreign.mark.size()) == foreign.mark) {
      throw unreadable(source, "it is ", foreign.name, "; convert it to PNG or JPEG");
    }
  }
  if (bytes.starts_with("version https://git-lfs.")) {
    throw unreadable(source, "it is a Git LFS pointer; fetch the image with: git lfs pull");
  }
  if (bytes.starts_with("<html") || bytes.starts_with("<!DOCTYPE html>") ||
      bytes.starts_with("<!doctype html>")) {
    throw unreadable(source, "it is a web page, not the download: fetch it again");
  }
  throw unreadable(source, "it is neither PNG, JPEG, WebP, AVIF, TIFF, GIF nor BMP");
}

Info checked_info(const Format& format, std::string_view bytes) {
  const Info info = format.info(bytes);
  if (info.height < 1 || info.width < 1) {
    throw BadImage{str("its size is ", info.width, "x", info.height)};
  }
  if (info.height > kMaxSide || info.width > kMaxSide || info.height * info.width > kMaxPixels) {
    throw BadImage{str("its size is ", info.width, "x", info.height,
                       "; at most 65535 a side and 178956970 pixels can be read")};
  }
  return info;
}

}  // namespace

Image decode_image(std::string_view bytes, const std::string& source) {
  const Format& format = find_format(bytes, source);
  try {
    const Info info = checked_info(format, bytes);
    Image image = format.decode(bytes, info);
    if (info.orientation < 2 || info.orientation > 8) return image;
    return upright(image, info.orientation);
  } catch (const BadImage& bad) {
    throw unreadable(source, format.name, ", but ", escaped(bad.what));
  }
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, kMaxFileSize), path.string());
}

std::pair<int64_t, int64_t> image_size(std::string_view bytes, const std::string& source) {
  const Format& format = find_format(bytes, source);
  try {
    const Info info = checked_info(format, bytes);
    const bool exchanged = info.orientation >= 5 && info.orientation <= 8;
    return exchanged ? std::pair(info.width, info.height) : std::pair(info.height, info.width);
  } catch (const BadImage& bad) {
    throw unreadable(source, format.name, ", but ", escaped(bad.what));
  }
}

}  // namespace sdxl
