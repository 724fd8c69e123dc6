// Resizing against hashes of Pillow's results; cropping and flipping.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "base/json.h"
#include "io/images/image.h"
#include "io/images/resize.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

/// The picture that tools/reference/images.py resizes.
Image noise(int64_t height, int64_t width) {
  Image image{height, width, std::vector<uint8_t>(static_cast<size_t>(height * width * 3))};
  uint32_t state = 1;
  for (uint8_t& byte : image.rgb) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return image;
}

std::string hash(const Image& image) {
  return sha256({reinterpret_cast<const char*>(image.rgb.data()), image.rgb.size()});
}

TEST(Resize, EqualsPillowInAllFiltersAndSizes) {
  const Json json = read_json(SDXL_TEST_DATA "/images/resize.json");
  for (const Json& item : json["cases"]) {
    const Image source = noise(item["from"][0], item["from"][1]);
    const Image resized = resize(source, item["to"][0], item["to"][1],
                                 resize_filter_from_name(item["filter"].get<std::string>()));
    EXPECT_EQ(hash(resized), item["sha256"].get<std::string>()) << item;
  }
}

TEST(Resize, ShorterSideTruncatesTheLongerOne) {
  const ResizeFilter filter = ResizeFilter::kBox;
  const Image wide = resize_shorter_side(noise(3, 8), 5, filter);  // 5 * 8 / 3 = 13.3
  EXPECT_EQ(wide.height, 5);
  EXPECT_EQ(wide.width, 13);
  const Image tall = resize_shorter_side(noise(8, 3), 5, filter);
  EXPECT_EQ(tall.height, 13);
  EXPECT_EQ(tall.width, 5);
  EXPECT_EQ(resize_shorter_side(noise(3, 8), 3, filter).rgb, noise(3, 8).rgb);
}

TEST(Resize, RefusesImpossibleSizes) {
  EXPECT_SDXL_ERROR(resize(noise(2, 2), 0, 4, ResizeFilter::kBox), ExitStatus::kBadData,
                    "an image of 2x2 cannot be resized to 4x0");
  EXPECT_SDXL_ERROR(resize_shorter_side(noise(1, 60000), 1024, ResizeFilter::kBox),
                    ExitStatus::kBadData, "an image of 60000x1 cannot be resized");
}

TEST(Crop, TakesTheRectangle) {
  const Image image = noise(5, 7);
  const Image part = crop(image, 2, 3, 2, 4);
  EXPECT_EQ(part.height, 2);
  EXPECT_EQ(part.width, 4);
  EXPECT_EQ(part.rgb[0], image.rgb[(2 * 7 + 3) * 3]);
  EXPECT_EQ(part.rgb.back(), image.rgb[(3 * 7 + 6) * 3 + 2]);
  EXPECT_SDXL_ERROR(crop(image, 4, 0, 2, 2), ExitStatus::kFailure, "not inside an image");
  EXPECT_SDXL_ERROR(crop(image, 0, -1, 2, 2), ExitStatus::kFailure, "not inside an image");
}

TEST(Flip, ExchangesLeftAndRight) {
  const Image image = noise(2, 3), flipped = flip_horizontally(image);
  EXPECT_EQ(flipped.rgb[0], image.rgb[6]);
  EXPECT_EQ(flipped.rgb[5], image.rgb[5]);
  EXPECT_EQ(flip_horizontally(flipped).rgb, image.rgb);
}

}  // namespace
}  // namespace sdxl
