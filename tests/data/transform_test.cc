// The transform against torchvision on Pillow (tools/reference/transforms.py).
#include "data/transform.h"

#include "base/hash.h"
#include "data/data_test_files.h"
#include "io/resize.h"

namespace sdxl {
namespace {

struct Case {
  TransformOptions options;
  uint64_t seed, draw;
  Image image;
};

Case read_case(const Json& json) {
  Case result;
  result.options.resolution = json["resolution"];
  result.options.center_crop = json["center_crop"];
  result.options.random_flip = json["random_flip"];
  result.options.filter = resize_filter_from_name(json["filter"]);
  result.seed = json["seed"];
  result.draw = json["draw"];
  result.image = formula_image(json["height"], json["width"]);
  return result;
}

TransformPlan plan_of(const Case& c) {
  const PixelSize target{c.options.resolution, c.options.resolution};
  return plan_transform({c.image.height, c.image.width}, target, c.options, c.seed, c.draw, "case");
}

TEST(Transform, DrawsTheCropsAndFlipsOfTheReference) {
  for (const Json& json : transform_reference()["transforms"]) {
    const TransformPlan plan = plan_of(read_case(json));
    EXPECT_EQ(plan.flipped, json["flipped"].get<bool>());
    const at::Tensor ids = plan.time_ids();
    for (int64_t i = 0; i < 6; ++i)
      EXPECT_EQ(ids[i].item<float>(), json["time_ids"][i].get<float>()) << json["draw"] << " " << i;
  }
}

TEST(Transform, MakesThePixelsOfTheReferenceBitForBit) {
  for (const Json& json : transform_reference()["transforms"]) {
    const Case c = read_case(json);
    const at::Tensor pixels = normalized_pixels(apply(plan_of(c), c.image, c.options.filter));
    EXPECT_EQ(sha256({static_cast<const char*>(pixels.const_data_ptr()), pixels.nbytes()}),
              json["pixels"].get<std::string>())
        << json.dump();
  }
}

TEST(Transform, FlipOfADrawIsKnownWithoutThePicture) {
  for (const Json& json : transform_reference()["transforms"]) {
    const Case c = read_case(json);
    EXPECT_EQ(draws_flip(c.options, c.seed, c.draw), json["flipped"].get<bool>());
  }
}

TEST(Transform, CoversATargetThatIsNotSquare) {
  EXPECT_EQ(covering_size({100, 200}, {64, 64}), (PixelSize{64, 128}));
  EXPECT_EQ(covering_size({100, 200}, {64, 192}), (PixelSize{96, 192}));
  EXPECT_EQ(covering_size({300, 200}, {64, 32}), (PixelSize{64, 42}));
  EXPECT_EQ(covering_size({128, 32}, {256, 64}), (PixelSize{256, 64}));
}

TEST(Transform, RefusesAShapeThatWouldBecomeHuge) {
  const std::string message = test::error_message([] {
    plan_transform({1, 65535}, {1024, 1024}, {}, 0, 0, "long.png");
  });
  EXPECT_NE(message.find("long.png: a picture of 65535x1"), std::string::npos) << message;
}

}  // namespace
}  // namespace sdxl
