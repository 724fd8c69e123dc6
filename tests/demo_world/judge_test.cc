// The judge of the small world against pictures whose content is known.
#include "demo_world/judge.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "base/json.h"
#include "io/images/decode.h"
#include "io/images/resize.h"

namespace sdxl::world {
namespace {

const std::string kData = std::string(SDXL_TEST_DATA) + "/world/";

Judge make_judge() {
  return Judge(read_world(std::string(SDXL_SOURCE_DIR) + "/tools/demo_world/world.json"));
}

struct Example {
  Image picture;
  Json content;
};

/// The cells of a grid of 20 columns and the lines that say what they show.
std::vector<Example> read_examples(const std::string& name) {
  const Image grid = read_image(kData + name + ".png");
  std::ifstream lines(kData + name + ".jsonl");
  const int64_t side = grid.width / 20;
  std::vector<Example> examples;
  for (std::string line; std::getline(lines, line);) {
    const auto i = static_cast<int64_t>(examples.size());
    examples.push_back(
        {crop(grid, i / 20 * side, i % 20 * side, side, side), parse_json(line, name)});
  }
  return examples;
}

/// How many pictures of a grid the judge sees as they are, as a share.
double share_seen_right(const std::string& name) {
  const Judge judge = make_judge();
  const auto examples = read_examples(name);
  double right = 0;
  for (const Example& example : examples) {
    const Seen seen = judge.look_at(example.picture);
    const Json answer{{"shape", seen.shape},
                      {"colour", seen.colour},
                      {"size", seen.size},
                      {"place", seen.place},
                      {"background", seen.background}};
    if (answer == example.content) {
      ++right;
    } else {
      std::cout << name << ": " << example.content << " seen as " << answer << " " << seen.match
                << "\n";
    }
  }
  return right / examples.size();
}

TEST(Judge, SeesDrawnPicturesAsTheyAre) { EXPECT_GE(share_seen_right("drawn"), 0.99); }

TEST(Judge, SeesNoShapeOnAnEmptyPicture) {
  Image empty{64, 64, std::vector<uint8_t>(64 * 64 * 3, 250)};
  const Seen seen = make_judge().look_at(empty);
  EXPECT_EQ(seen.shape, "");
  EXPECT_EQ(seen.colour, "");
  EXPECT_EQ(seen.background, "white");
}

TEST(Judge, SeesNoShapeInNoise) {
  Image noise{64, 64, std::vector<uint8_t>(64 * 64 * 3)};
  uint32_t state = 1;
  for (auto& value : noise.rgb) {
    state = state * 1664525 + 1013904223;
    value = state >> 24;
  }
  EXPECT_EQ(make_judge().look_at(noise).shape, "");
}

TEST(Judge, SeesNoShapeWhereTwoStandApart) {
  Image two{64, 64, std::vector<uint8_t>(64 * 64 * 3, 250)};
  for (int64_t y = 8; y < 24; ++y) {
    for (int64_t x : {8, 40}) {
      for (int64_t i = 0; i < 16; ++i) {
        for (int c = 0; c < 3; ++c) two.rgb[(y * 64 + x + i) * 3 + c] = c == 2 ? 210 : 40;
      }
    }
  }
  EXPECT_EQ(make_judge().look_at(two).shape, "");
}

TEST(Judge, MeasuresPicturesOfAnySize) {
  const Example example = read_examples("drawn").front();
  const Image large = resize(example.picture, 128, 128, ResizeFilter::kBicubic);
  const Seen seen = make_judge().look_at(large);
  EXPECT_EQ(seen.shape, example.content.at("shape").get<std::string>());
  EXPECT_EQ(seen.size, example.content.at("size").get<std::string>());
  EXPECT_EQ(seen.place, example.content.at("place").get<std::string>());
}

}  // namespace
}  // namespace sdxl::world
