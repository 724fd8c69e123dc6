// Finds the format of a picture, decodes it within limits and turns it upright.
#include "io/image.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "io/image_formats.h"
#include "io/png_chunks.h"

namespace sdxl {
namespace {

using formats::BadImage;
using formats::Info;

constexpr int64_t kMaximalSide = 65'535;
constexpr uint64_t kMaximalFileSize = uint64_t{512} << 20;
constexpr size_t kMaximalTexts = size_t{64} << 20;

[[noreturn]] void fail(const std::string& source, const std::string& what) {
  throw Error(ExitStatus::kBadData, str(escaped(source), ": not a readable picture: ", what));
}

struct Format {
  const char* name;
  bool (*matches)(std::string_view bytes);
  Info (*info)(std::string_view bytes);
  Image (*decode)(std::string_view bytes, const Info& info);
};

constexpr Format kFormats[] = {
    {"PNG", [](std::string_view b) { return b.substr(0, 8) == formats::kPngSignature; },
     formats::png_info, formats::decode_png},
    {"JPEG", [](std::string_view b) { return b.substr(0, 3) == "\xff\xd8\xff"; },
     formats::jpeg_info, formats::decode_jpeg},
    {"WebP",
     [](std::string_view b) {
       return b.size() >= 16 && b.substr(0, 4) == "RIFF" && b.substr(8, 4) == "WEBP";
     },
     formats::webp_info, formats::decode_webp},
    {"BMP", [](std::string_view b) { return b.substr(0, 2) == "BM"; }, formats::bmp_info,
     formats::decode_bmp},
};

struct Foreign {
  size_t offset;
  std::string_view mark;
  const char* name;
};

/// What people have in their folders besides; named so that they know what to convert.
constexpr Foreign kForeign[] = {
    {0, "GIF8", "a GIF"},
    {0, {"II*\0", 4}, "a TIFF"},
    {0, {"MM\0*", 4}, "a TIFF"},
    {0, {"II+\0", 4}, "a TIFF"},
    {0, {"MM\0+", 4}, "a TIFF"},
    {4, "ftypavif", "an AVIF"},
    {4, "ftypavis", "an AVIF"},
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
  if (bytes.empty()) fail(source, "the file is empty");
  if (bytes.size() > kMaximalFileSize) fail(source, "the file is larger than 512 MiB");
  for (const Format& format : kFormats) {
    if (format.matches(bytes)) return format;
  }
  for (const Foreign& foreign : kForeign) {
    if (bytes.substr(std::min(foreign.offset, bytes.size()), foreign.mark.size()) == foreign.mark) {
      fail(source, str("it is ", foreign.name, "; convert it to PNG, JPEG, WebP or BMP"));
    }
  }
  if (bytes.substr(0, 24) == "version https://git-lfs.") {
    fail(source, "it is a Git LFS pointer; fetch the picture itself with: git lfs pull");
  }
  const std::string_view start = bytes.substr(0, 15);
  if (start.substr(0, 5) == "<html" || start == "<!DOCTYPE html>" || start == "<!doctype html>") {
    fail(source, "it is a web page; its download went wrong");
  }
  fail(source, "it is neither PNG, JPEG, WebP nor BMP");
}

Info checked_info(const Format& format, std::string_view bytes) {
  const Info info = format.info(bytes);
  if (info.height < 1 || info.width < 1) {
    throw BadImage{str("its size is ", info.width, "x", info.height)};
  }
  if (info.height > kMaximalSide || info.width > kMaximalSide ||
      info.height * info.width > kMaximalPixels) {
    throw BadImage{str("its size is ", info.width, "x", info.height,
                       "; at most 65535 a side and 178956970 pixels can be read")};
  }
  return info;
}

/// The picture turned as orientation 2 to 8 asks. Orientations as in EXIF 2.3, section 4.6.4: 2 to
/// 4 keep the sides, 5 to 8 exchange them.
Image upright(const Image& image, int orientation) {
  const bool exchanged = orientation >= 5;
  const int64_t height = exchanged ? image.width : image.height;
  const int64_t width = exchanged ? image.height : image.width;
  // Where the upright picture's rows and columns run in the stored one.
  const bool from_right =
      orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_below =
      orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const int64_t stride = image.width * 3;
  const int64_t step_x = from_right ? -3 : 3, step_y = from_below ? -stride : stride;
  const uint8_t* row = image.rgb.data() + (from_right ? stride - 3 : 0) +
                       (from_below ? (image.height - 1) * stride : 0);
  const int64_t row_step = exchanged ? step_x : step_y, pixel_step = exchanged ? step_y : step_x;

  Image turned{height, width, std::vector<uint8_t>(image.rgb.size())};
  uint8_t* out = turned.rgb.data();
  for (int64_t y = 0; y < height; ++y, row += row_step) {
    const uint8_t* pixel = row;
    for (int64_t x = 0; x < width; ++x, pixel += pixel_step, out += 3) std::memcpy(out, pixel, 3);
  }
  return turned;
}

}  // namespace

Image decode_image(std::string_view bytes, const std::string& source) {
  const Format& format = find_format(bytes, source);
  try {
    const Info info = checked_info(format, bytes);
    Image image = format.decode(bytes, info);
    const bool turned = info.orientation >= 2 && info.orientation <= 8;
    return turned ? upright(image, info.orientation) : image;
  } catch (const BadImage& bad) {
    fail(source, str("a ", format.name, ", but ", escaped(bad.what)));
  }
}

Image read_image(const std::filesystem::path& path) {
  return decode_image(read_file(path, kMaximalFileSize), path.string());
}

std::pair<int64_t, int64_t> image_size(std::string_view bytes, const std::string& source) {
  const Format& format = find_format(bytes, source);
  try {
    const Info info = checked_info(format, bytes);
    const bool exchanged = info.orientation >= 5 && info.orientation <= 8;
    return exchanged ? std::pair(info.width, info.height) : std::pair(info.height, info.width);
  } catch (const BadImage& bad) {
    fail(source, str("a ", format.name, ", but ", escaped(bad.what)));
  }
}

std::vector<std::pair<std::string, std::string>> png_texts(std::string_view bytes) {
  if (bytes.substr(0, 8) != formats::kPngSignature) {
    throw Error(ExitStatus::kBadData, "the texts of a picture that is not a PNG were asked for");
  }
  std::vector<std::pair<std::string, std::string>> texts;
  size_t total = 0;
  try {
    for (const formats::PngChunk& chunk : formats::png_chunks(bytes)) {
      auto text = formats::chunk_text(chunk);
      total += text.second.size();
      if (!text.first.empty()) texts.push_back(std::move(text));
      if (total > kMaximalTexts) break;
    }
  } catch (const BadImage& bad) {
    fail("a PNG", bad.what);
  }
  return texts;
}

Image crop(const Image& image, int64_t top, int64_t left, int64_t height, int64_t width) {
  if (top < 0 || left < 0 || height < 1 || width < 1 || top > image.height - height ||
      left > image.width - width) {
    throw Error(ExitStatus::kFailure,
                str("a crop of ", width, "x", height, " at ", left, ",", top,
                    " is not inside of a picture of ", image.width, "x", image.height));
  }
  Image cropped{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  for (int64_t y = 0; y < height; ++y) {
    std::memcpy(&cropped.rgb[y * width * 3], &image.rgb[((top + y) * image.width + left) * 3],
                static_cast<size_t>(width * 3));
  }
  return cropped;
}

Image flip_horizontally(const Image& image) { return upright(image, 2); }

}  // namespace sdxl
