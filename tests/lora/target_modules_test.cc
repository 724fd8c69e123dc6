#include "lora/target_modules.h"

#include <gtest/gtest.h>

#include "models/layers.h"
#include "support/expect_error.h"

namespace sdxl {
namespace {

struct Layers : Module {
  Linear to_q{this, "mid_block.attentions.0.to_q", 2, 2};
  Linear to_kq{this, "mid_block.attentions.0.to_kq", 2, 2};
  Conv2d conv{this, "down_blocks.0.conv1", 2, 2, 3};
  LayerNorm norm{this, "mid_block.norm", 2};

  std::vector<std::string> chosen(const std::string& target) {
    std::vector<std::string> paths;
    const TargetModules modules(target);
    visit([&](Module& module) {
      if (modules.matches(module)) paths.push_back(module.path());
    });
    return paths;
  }
};

using Paths = std::vector<std::string>;

TEST(TargetModules, AreNamesAtTheEndsOfPaths) {
  Layers layers;
  EXPECT_EQ(layers.chosen("to_q"), Paths{layers.to_q.path()});
  EXPECT_EQ(layers.chosen("attentions.0.to_q"), Paths{layers.to_q.path()});
  EXPECT_EQ(layers.chosen("norm"), Paths{});
}

TEST(TargetModules, ArePatternsOfWholePaths) {
  Layers layers;
  EXPECT_EQ(layers.chosen("mid_block.*"), (Paths{layers.to_q.path(), layers.to_kq.path()}));
  EXPECT_EQ(layers.chosen("*conv1"), Paths{layers.conv.path()});
}

TEST(TargetModules, AreRegularExpressionsAsInPeft) {
  Layers layers;
  EXPECT_EQ(layers.chosen(".*to_k?q"), (Paths{layers.to_q.path(), layers.to_kq.path()}));
  EXPECT_EQ(layers.chosen(R"(mid_block\..*\.to_q)"), Paths{layers.to_q.path()});
  EXPECT_EQ(layers.chosen("^(?!mid).*conv[12]$"), Paths{layers.conv.path()});
  EXPECT_EQ(layers.chosen("(to_q)"), Paths{}) << "an expression is for the whole path";
  EXPECT_SDXL_ERROR(TargetModules("to_[q"), ExitStatus::kUsage,
                    "--lora_target_modules 'to_[q' is not a regular expression");
}

TEST(TargetModules, AreAllLinearLayers) {
  Layers layers;
  EXPECT_EQ(layers.chosen("all-linear"), (Paths{layers.to_q.path(), layers.to_kq.path()}));
}

}  // namespace
}  // namespace sdxl
