// Decodes PNG by stb_image from a clean copy of the file: only the chunks that make the image, in
// order, with the palette padded. stb_image's memory is limited by the size in the header.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "base/text.h"
#include "io/byte_reader.h"
#include "io/images/exif.h"
#include "io/images/image_formats.h"
#include "io/images/png_chunks.h"

namespace {

/// Limit of a single allocation of stb_image in this thread. It asks for more if a stream inflates
/// to more than the image needs.
thread_local size_t stb_limit = 0;

void* stb_allocate(size_t size) { return size > stb_limit ? nullptr : std::malloc(size); }
void* stb_reallocate(void* block, size_t size) {
  return size > stb_limit ? nullptr : std::realloc(block, size);
}

}  // namespace

#define STBI_MALLOC(size) stb_allocate(size)
#define STBI_REALLOC(block, size) stb_reallocate(block, size)
#define STBI_FREE(block) std::free(block)
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_ASSERT(condition) static_cast<void>(0)
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

namespace sdxl::formats {
namespace {

struct PngHeader {
  Info info;
  int depth = 0, colour = 0;
  int channels = 0;
};

PngHeader read_png_header(const std::vector<PngChunk>& chunks) {
  if (chunks.empty() || chunks[0].type != "IHDR" || chunks[0].data.size() != 13 ||
      !chunks[0].intact) {
    throw BadImage{"its header is damaged or cut short"};
  }
  const ByteReader data(chunks[0].data, true);
  PngHeader header;
  header.info.width = data.u32(0);
  header.info.height = data.u32(4);
  header.depth = data.u8(8);
  header.colour = data.u8(9);
  const bool narrow = header.depth == 1 || header.depth == 2 || header.depth == 4;
  const bool wide = header.depth == 8 || header.depth == 16;
  const bool known = (header.colour == 0 && (narrow || wide)) ||
                     (header.colour == 3 && (narrow || header.depth == 8)) ||
                     ((header.colour == 2 || header.colour == 4 || header.colour == 6) && wide);
  if (!known || data.u8(10) != 0 || data.u8(11) != 0 || data.u8(12) > 1) {
    throw BadImage{str("PNG has no colour type ", header.colour, " of ", header.depth, " bits")};
  }
  header.channels = header.colour == 2 ? 3 : header.colour == 4 ? 2 : header.colour == 6 ? 4 : 1;
  return header;
}

/// Parses ImageMagick's hexadecimal text: an empty line, a name, a length, then digits.
std::string raw_profile(const std::string& text) {
  size_t at = 0;
  for (int line = 0; line < 3; ++line) {
    at = text.find('\n', at);
    if (at == text.npos) return "";
    ++at;
  }
  std::string bytes;
  int digits = 0, value = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n' || c == ' ') continue;
    constexpr std::string_view kDigits = "0123456789abcdef";
    const size_t digit = kDigits.find(static_cast<char>(c >= 'A' && c <= 'F' ? c + 32 : c));
    if (digit == kDigits.npos) return "";
    value = value * 16 + static_cast<int>(digit);
    if (++digits % 2 == 0) {
      bytes.push_back(static_cast<char>(value));
      value = 0;
    }
  }
  return bytes;
}

int png_orientation(const std::vector<PngChunk>& chunks) {
  std::string_view exif;
  const PngChunk *profile = nullptr, *xmp = nullptr;  // the last ones, inflated once
  for (const PngChunk& chunk : chunks) {
    if (chunk.type == "eXIf" && chunk.intact) exif = chunk.data;
    const std::string_view key = chunk_key(chunk);
    if (key == "Raw profile type exif") profile = &chunk;
    if (key == "XML:com.adobe.xmp") xmp = &chunk;
  }
  const std::string unpacked =
      exif.empty() && profile != nullptr ? raw_profile(chunk_text(*profile).second) : "";
  return orientation_of(exif.empty() ? unpacked : exif,
                        xmp != nullptr ? chunk_text(*xmp).second : "");
}

/// A palette of 256 entries. Missing ones are black; stb_image would leave them undefined.
std::string full_palette(std::string_view palette) {
  std::string full(768, '\0');
  std::copy_n(palette.begin(), std::min(full.size(), palette.size() / 3 * 3), full.begin());
  return full;
}

/// Writes signature, header, palette and data. Leaves out transparency, since alpha is dropped.
std::string clean_copy(const std::vector<PngChunk>& chunks, bool indexed) {
  std::string palette, data;
  bool in_data = false;
  for (const PngChunk& chunk : chunks) {
    if (in_data && chunk.type != "IDAT") break;
    if (chunk.type != "PLTE" && chunk.type != "IDAT") continue;
    // A chunk that is cut short may still contain all rows.
    if (chunk.whole && !chunk.intact) {
      throw BadImage{str("the checksum of its ", chunk.type, " is wrong")};
    }
    if (chunk.type == "PLTE") full_palette(chunk.data).swap(palette);
    if (chunk.type == "IDAT") data += chunk.data;
    in_data = chunk.type == "IDAT";
  }
  if (indexed && palette.empty()) throw BadImage{"its palette is missing"};
  std::string png(kPngSignature);
  append_chunk(png, "IHDR", chunks[0].data);
  if (indexed) append_chunk(png, "PLTE", palette);
  append_chunk(png, "IDAT", data);
  append_chunk(png, "IEND", "");
  return png;
}

}  // namespace

Info png_info(std::string_view bytes) {
  const std::vector<PngChunk> chunks = png_chunks(bytes);
  Info info = read_png_header(chunks).info;
  info.orientation = png_orientation(chunks);
  return info;
}

Image decode_png(std::string_view bytes, const Info& info) {
  const std::vector<PngChunk> chunks = png_chunks(bytes);
  const PngHeader header = read_png_header(chunks);
  const std::string copy = clean_copy(chunks, header.colour == 3);

  // The decoded image with one or two bytes a channel, room for interlacing's passes, and twice
  // that since stb_image doubles its blocks to grow them.
  const size_t pixels = static_cast<size_t>(info.height * info.width);
  const size_t depth = header.depth == 16 ? 2 : 1;
  stb_limit = std::max(pixels * (header.channels + 3) * depth * 2, copy.size() * 2) + (1 << 16);
  int width = 0, height = 0, channels = 0;
  const std::unique_ptr<uint8_t, decltype(&std::free)> rgb(
      stbi_load_from_memory(reinterpret_cast<const uint8_t*>(copy.data()),
                            static_cast<int>(copy.size()), &width, &height, &channels, 3),
      &std::free);
  if (!rgb || width != info.width || height != info.height) {
    throw BadImage{str("its data is damaged or cut short (", stbi_failure_reason(), ")")};
  }
  return {info.height, info.width, std::vector<uint8_t>(rgb.get(), rgb.get() + pixels * 3)};
}

}  // namespace sdxl::formats
