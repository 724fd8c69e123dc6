// Images of every format, mode and orientation against Pillow's pixels.
#include <gtest/gtest.h>

#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/images/png_chunks.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

struct Case {
  std::string name, file;
  Image expected;
};

/// The pictures of tools/reference/images.py.
std::vector<Case> cases() {
  const SafetensorsFile all(SDXL_TEST_DATA "/images/cases.safetensors");
  std::vector<Case> cases;
  for (const SafetensorsEntry& entry : all.entries()) {
    const size_t slash = entry.name.rfind("/file");
    if (slash == std::string::npos) continue;
    const std::string name = entry.name.substr(0, slash);
    const at::Tensor file = all.tensor(entry.name), pixels = all.tensor(name + "/pixels");
    const auto* bytes = pixels.const_data_ptr<uint8_t>();
    cases.push_back({name,
                     {static_cast<const char*>(file.const_data_ptr()), file.nbytes()},
                     {pixels.size(0), pixels.size(1), {bytes, bytes + pixels.numel()}}});
  }
  return cases;
}

TEST(ImageDecode, EqualsPillow) {
  const std::vector<Case> all = cases();
  EXPECT_GT(all.size(), 80u);
  for (const Case& item : all) {
    const Image image = decode_image(item.file, item.name);
    EXPECT_EQ(image.height, item.expected.height) << item.name;
    EXPECT_EQ(image.width, item.expected.width) << item.name;
    EXPECT_EQ(image.rgb, item.expected.rgb) << item.name;
  }
}

TEST(ImageDecode, ReadsTheSizeFromTheHeader) {
  for (const Case& item : cases()) {
    const auto [height, width] = image_size(item.file, item.name);
    EXPECT_EQ(height, item.expected.height) << item.name;
    EXPECT_EQ(width, item.expected.width) << item.name;
  }
}

TEST(ImageDecode, ReadsTheSizeOfATruncatedFile) {
  for (const Case& item : cases()) {
    if (item.name != "jpeg orientation 6" && item.name != "png rgb 8" && item.name != "bmp 24") {
      continue;
    }
    const std::string start = item.file.substr(0, item.file.size() - 40);
    EXPECT_EQ(image_size(start, item.name).first, item.expected.height) << item.name;
  }
}

TEST(ImageDecode, KeepsTheHighByteOf16BitGray) {
  std::string png(formats::kPngSignature);
  formats::append_chunk(png, "IHDR", std::string("\0\0\0\2\0\0\0\1\x10\0\0\0\0", 13));
  // A zlib stream of one stored block: no filter, 0x01C8, 0xFF00.
  formats::append_chunk(
      png, "IDAT", std::string("\x78\x01\x01\x05\0\xfa\xff\0\x01\xc8\xff\0\x04\x93\x01\xc9", 16));
  EXPECT_EQ(decode_image(png, "png").rgb, (std::vector<uint8_t>{1, 1, 1, 255, 255, 255}));
}

}  // namespace
}  // namespace sdxl
