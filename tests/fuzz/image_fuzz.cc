// Any bytes: a picture of the size that its header says, which survives our own PNG, or an Error.
#include <zlib.h>

#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/images/png.h"

namespace {

// Larger pictures are left out: they are allowed, but slow.
constexpr int64_t kPixels = 1 << 18;

void check(std::string_view bytes) {
  const auto [height, width] = sdxl::image_size(bytes, "fuzz");
  if (bytes.substr(1, 3) == "PNG") sdxl::png_texts(bytes);
  if (height * width > kPixels) return;
  const sdxl::Image image = sdxl::decode_image(bytes, "fuzz");
  if (image.height != height || image.width != width ||
      image.rgb.size() != static_cast<size_t>(height * width * 3)) {
    std::abort();
  }
  if (height * width > 4096) return;
  const sdxl::Image again = sdxl::decode_image(sdxl::encode_png(image, {{"k", "v"}}), "png");
  if (again.rgb != image.rgb) std::abort();
}

uint32_t big_endian(const uint8_t* bytes) {
  return uint32_t{bytes[0]} << 24 | bytes[1] << 16 | bytes[2] << 8 | bytes[3];
}

/// Makes the checksums of a PNG's chunks right, so that what was changed gets past them.
void repair_checksums(uint8_t* data, size_t size) {
  for (size_t at = 8; at + 12 <= size;) {
    const size_t length = big_endian(data + at);
    if (length > size - at - 12) return;
    const auto crc = static_cast<uint32_t>(crc32_z(0, data + at + 4, length + 4));
    at += 8 + length;
    for (int i = 0; i < 4; ++i) data[at + i] = static_cast<uint8_t>(crc >> (24 - 8 * i));
    at += 4;
  }
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size, unsigned) {
  const size_t mutated = LLVMFuzzerMutate(data, size, max_size);
  if (mutated > 8 && std::memcmp(data, "\x89PNG", 4) == 0) repair_checksums(data, mutated);
  return mutated;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    check({reinterpret_cast<const char*>(data), size});
  } catch (const sdxl::Error& error) {
    if (error.status() != sdxl::ExitStatus::kBadData) std::abort();
  }
  return 0;
}
