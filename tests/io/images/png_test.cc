// PNGs and their texts, written and read back.
#include <gtest/gtest.h>

#include "base/files/files.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/images/png.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

using Texts = std::vector<std::pair<std::string, std::string>>;

Image gradient(int64_t height, int64_t width) {
  Image image{height, width, {}};
  for (int64_t i = 0; i < height * width * 3; ++i) {
    image.rgb.push_back(static_cast<uint8_t>(i % 3 == 0 ? i / 7 : i * i / 11));
  }
  return image;
}

TEST(Png, RoundTripsPixels) {
  for (const auto& [height, width] :
       std::vector<std::pair<int64_t, int64_t>>{{1, 1}, {1, 50}, {50, 1}, {33, 47}, {64, 512}}) {
    const Image image = gradient(height, width);
    const Image back = decode_image(encode_png(image), "png");
    EXPECT_EQ(back.height, height);
    EXPECT_EQ(back.rgb, image.rgb);
  }
}

TEST(Png, CompressesFlatImagesWell) {
  const Image flat{512, 512, std::vector<uint8_t>(512 * 512 * 3, 200)};
  EXPECT_LT(encode_png(flat).size(), 3000u);
}

TEST(Png, RoundTripsTexts) {
  const Texts texts = {
      {"parameters", "a cat\nSteps: 30"}, {"latin", "é ÿ ©"}, {"unicode", "猫 🐈"}, {"empty", ""}};
  EXPECT_EQ(png_texts(encode_png(gradient(2, 2), texts)), texts);
}

TEST(Png, WritesLatin1TextsAsTextChunks) {
  const std::string png = encode_png(gradient(2, 2), {{"a", "é"}, {"b", "猫"}});
  EXPECT_NE(png.find(std::string("tEXta\0\xe9", 7)), std::string::npos);
  EXPECT_NE(png.find(std::string("iTXtb\0\0\0\0\0猫", 13)), std::string::npos);
}

TEST(Png, ReplacesInvalidTextBytes) {
  const Texts texts = {{"k", std::string("a\0b\xff", 4)}};
  EXPECT_EQ(png_texts(encode_png(gradient(2, 2), texts))[0].second, "a\uFFFDb\uFFFD");
}

TEST(Png, ReadsPillowsTexts) {
  std::string packed, unicode;
  for (int i = 0; i < 50; ++i) {
    packed += "zip ";
    unicode += "ж ";
  }
  const Texts expected = {{"parameters", "a cat\nSteps: 30"},
                          {"latin", "é ÿ ©"},
                          {"unicode", "猫 🐈"},
                          {"packed", packed},
                          {"packed unicode", unicode}};
  EXPECT_EQ(png_texts(read_file(SDXL_TEST_DATA "/images/texts.png")), expected);
  EXPECT_SDXL_ERROR(png_texts("GIF89a"), ExitStatus::kBadData, "not a PNG");
}

}  // namespace
}  // namespace sdxl
