#include "io/model_files.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

TEST(ModelFiles, NamesWeightsAsDiffusersDoes) {
  EXPECT_EQ(weights_file("model"), "model.safetensors");
  EXPECT_EQ(weights_file("model", "fp16"), "model.fp16.safetensors");
  EXPECT_EQ(weights_index_file("model"), "model.safetensors.index.json");
  EXPECT_EQ(weights_index_file("model", "fp16"), "model.safetensors.index.fp16.json");
  EXPECT_EQ(weights_shard_file("model", 2, 13), "model-00002-of-00013.safetensors");
}

TEST(ModelFiles, FindsStemAndVariantInAName) {
  for (const char* name : {"model.fp16.safetensors", "model.fp16-00001-of-00002.safetensors",
                           "model-00001-of-00002.fp16.safetensors"}) {
    const auto parsed = parse_weights_file(name);
    ASSERT_TRUE(parsed) << name;
    EXPECT_EQ(parsed->stem, kTransformersStem) << name;
    EXPECT_EQ(parsed->variant, "fp16") << name;
  }
  EXPECT_EQ(parse_weights_file("diffusion_pytorch_model-00001-of-00002.safetensors")->variant, "");
}

TEST(ModelFiles, RejectsOtherNames) {
  for (const char* name :
       {"sd_xl_base_1.0.safetensors", "model.bin", "model.safetensors.index.json", ".safetensors",
        "-00001-of-00002.safetensors"}) {
    EXPECT_FALSE(parse_weights_file(name)) << name;
  }
}

TEST(ModelFiles, PutsASuffixBeforeTheExtension) {
  EXPECT_EQ(with_suffix(kLoraWeights, "_ema"), kLoraEmaWeights);
  EXPECT_EQ(with_suffix("name", "_ema"), "name_ema");
}

}  // namespace
}  // namespace sdxl
