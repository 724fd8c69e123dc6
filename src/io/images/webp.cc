// Decodes WebP by libwebp; of an animation the first frame, as Pillow does. Source of the
// container: https://developers.google.com/speed/webp/docs/riff_container
#include <webp/decode.h>

#include <algorithm>

#include "io/byte_reader.h"
#include "io/images/exif.h"
#include "io/images/image_formats.h"

namespace sdxl::formats {
namespace {

/// The contents of the container.
struct Container {
  Info canvas;
  std::string_view exif, xmp;
  std::string_view frame;  ///< The image of an animation's first frame; else empty.
  int64_t frame_top = 0, frame_left = 0, frame_height = 0, frame_width = 0;
};

void read_first_frame(const ByteReader& chunk, Container& container) {
  container.frame_left = int64_t{chunk.u24(0)} * 2;
  container.frame_top = int64_t{chunk.u24(3)} * 2;
  container.frame_width = int64_t{chunk.u24(6)} + 1;
  container.frame_height = int64_t{chunk.u24(9)} + 1;
  container.frame = chunk.slice(16, chunk.size() - 16);
  if (container.frame_left + container.frame_width > container.canvas.width ||
      container.frame_top + container.frame_height > container.canvas.height) {
    throw BadImage{"its first frame is larger than the image"};
  }
}

/// Reads the extended form ("VP8X"), the only one with chunks beside the image.
Container read_extended(const ByteReader& file) {
  constexpr int kXmpFlag = 0x04, kExifFlag = 0x08, kAnimationFlag = 0x02;
  Container container;
  const int flags = file.u8(20);
  container.canvas = {int64_t{file.u24(27)} + 1, int64_t{file.u24(24)} + 1, 1};
  const size_t end = std::min<size_t>(file.size(), size_t{file.u32(4)} + 8);
  for (size_t at = 12; at + 8 <= end;) {
    const std::string_view name = file.slice(at, 4);
    const size_t size = file.u32(at + 4);
    if (size > end - at - 8) break;
    const std::string_view data = file.slice(at + 8, size);
    if (name == "EXIF" && (flags & kExifFlag) != 0 && container.exif.empty()) {
      container.exif = data;
    } else if (name == "XMP " && (flags & kXmpFlag) != 0 && container.xmp.empty()) {
      container.xmp = data;
    } else if (name == "ANMF" && (flags & kAnimationFlag) != 0 && container.frame.empty()) {
      read_first_frame(ByteReader(data), container);
    }
    at += 8 + size + (size & 1);
  }
  if ((flags & kAnimationFlag) != 0 && container.frame.empty()) {
    throw BadImage{"it is an animation without a frame"};
  }
  container.canvas.orientation = orientation_of(container.exif, container.xmp);
  return container;
}

Container read_container(std::string_view bytes) {
  const ByteReader file(bytes);
  if (file.slice(12, 4) == "VP8X") return read_extended(file);
  WebPBitstreamFeatures features;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  if (WebPGetFeatures(data, bytes.size(), &features) != VP8_STATUS_OK) {
    throw BadImage{"its header is damaged or cut short"};
  }
  Container container;
  container.canvas = {features.height, features.width, 1};
  return container;
}

}  // namespace

Info webp_info(std::string_view bytes) { return read_container(bytes).canvas; }

Image decode_webp(std::string_view bytes, const Info& info) {
  const Container container = read_container(bytes);
  Image image{info.height, info.width, {}};
  image.rgb.resize(static_cast<size_t>(info.height * info.width * 3));
  const bool animated = !container.frame.empty();
  const std::string_view image_bytes = animated ? container.frame : bytes;
  const auto* data = reinterpret_cast<const uint8_t*>(image_bytes.data());

  int width = 0, height = 0;
  const bool known = WebPGetInfo(data, image_bytes.size(), &width, &height) != 0;
  if (!known || width != (animated ? container.frame_width : info.width) ||
      height != (animated ? container.frame_height : info.height)) {
    throw BadImage{"its data is damaged or differs in size from its header"};
  }
  const size_t start = (container.frame_top * info.width + container.frame_left) * 3;
  if (WebPDecodeRGBInto(data, image_bytes.size(), image.rgb.data() + start,
                        image.rgb.size() - start, static_cast<int>(info.width * 3)) == nullptr) {
    throw BadImage{"its data is damaged or cut short"};
  }
  return image;
}

}  // namespace sdxl::formats
