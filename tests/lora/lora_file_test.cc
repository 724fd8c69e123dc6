// Reading and writing of LoRA files; those of tests/fixtures/lora were written by diffusers
// (tools/reference/lora_training.py).
#include "lora/lora_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "lora/tiny_layers.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const fs::path kData = SDXL_TEST_DATA;

LoraWeights read(const fs::path& file) { return read_lora(file, test::tiny_layers()); }

void expect_equal(const LoraWeights& one, const LoraWeights& other) {
  ASSERT_EQ(one.layers.size(), other.layers.size());
  for (const auto& [name, layer] : one.layers) {
    const LoraLayer& twin = other.layers.at(name);
    EXPECT_TRUE(at::equal(layer.down, twin.down)) << name.text();
    EXPECT_TRUE(at::equal(layer.up, twin.up)) << name.text();
    EXPECT_EQ(layer.alpha, twin.alpha) << name.text();
    ASSERT_EQ(layer.magnitude.defined(), twin.magnitude.defined()) << name.text();
    if (!layer.magnitude.defined()) continue;
    EXPECT_TRUE(at::equal(layer.magnitude, twin.magnitude)) << name.text();
  }
}

TEST(LoraFile, ReadsRankAndAlphaFromDiffusersMetadata) {
  const LoraWeights weights = read(kData / "lora/text_encoders.safetensors");
  EXPECT_TRUE(weights.unmatched.empty());
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    EXPECT_TRUE(weights.adapts(component)) << component;
  }
  for (const auto& [name, layer] : weights.layers) {
    EXPECT_EQ(layer.rank(), 2) << name.text();
    EXPECT_EQ(layer.alpha, 3) << name.text();
  }
}

void expect_diffusers_names(const fs::path& ours, const fs::path& theirs) {
  const SafetensorsFile expected(theirs), written(ours);
  ASSERT_EQ(written.entries().size(), expected.entries().size());
  for (const SafetensorsEntry& entry : expected.entries()) {
    // transformers 5 has left out the first encoder's "text_model."; readers take both.
    std::string name = entry.name;
    constexpr std::string_view kEncoder = "text_encoder.";
    if (name.starts_with(kEncoder)) name.insert(kEncoder.size(), "text_model.");
    ASSERT_TRUE(written.contains(name)) << name;
    EXPECT_TRUE(at::equal(written.tensor(name), expected.tensor(entry.name))) << name;
  }
}

class LoraFileRoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(LoraFileRoundTrip, ReadsWhatItWrites) {
  const test::TemporaryDirectory directory;
  const fs::path theirs = kData / "lora" / (GetParam() + ".safetensors");
  const fs::path ours = directory.path() / "ours.safetensors";
  const LoraWeights weights = read(theirs);
  test::write_lora("diffusers", ours, weights);
  expect_equal(read(ours), weights);
}

TEST_P(LoraFileRoundTrip, ReadsItsKohyaFiles) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "kohya.safetensors";
  const LoraWeights weights = read(kData / "lora" / (GetParam() + ".safetensors"));
  test::write_lora("kohya", file, weights);
  const LoraWeights back = read(file);
  EXPECT_TRUE(back.unmatched.empty());
  expect_equal(back, weights);
}

TEST(LoraFile, RefusesScalesOfInputsAndAlphasOfNoValue) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "scales.safetensors";
  const std::string layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
  const std::pair<const char*, at::Tensor> scales[] = {{".dora_scale", at::ones({1, 32})},
                                                       {".alpha", at::ones({0})}};
  for (const auto& [role, scale] : scales) {
    write_safetensors(file, {{layer + ".lora_down.weight", at::ones({4, 32})},
                             {layer + ".lora_up.weight", at::ones({32, 4})},
                             {layer + role, scale}});
    EXPECT_THROW(read(file), Error) << role;
  }
}

TEST(LoraFile, RefusesAnAlphaOfZero) {
  const test::TemporaryDirectory directory;
  const std::string layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
  write_safetensors(directory / "zero.safetensors",
                    {{layer + ".lora_down.weight", at::ones({4, 32})},
                     {layer + ".lora_up.weight", at::ones({32, 4})},
                     {layer + ".alpha", at::zeros({})}});
  EXPECT_SDXL_ERROR(read(directory / "zero.safetensors"), ExitStatus::kBadData,
                    "attn1.to_q has alpha 0; an alpha must be above 0");
}

TEST(LoraFile, RefusesSeveralAdaptersInOne) {
  const test::TemporaryDirectory directory;
  const std::string layer = "unet.mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
  write_safetensors(directory / "two.safetensors",
                    {{layer + ".lora_A.first.weight", at::ones({4, 32})},
                     {layer + ".lora_B.second.weight", at::ones({32, 4})}});
  EXPECT_SDXL_ERROR(read(directory / "two.safetensors"), ExitStatus::kBadData,
                    "holds the adapters first, second: save each of them in a file");
}

TEST(LoraFile, NamesOtherKindsOfAdapters) {
  const test::TemporaryDirectory directory;
  const std::string layer = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn1_to_q";
  const std::pair<const char*, const char*> kinds[] = {
      {".hada_w1_a", "LoHa"},   {".lokr_w1", "LoKr"},           {".oft_blocks", "OFT"},
      {".oft_R.weight", "OFT"}, {".lora_mid.weight", "Tucker"}, {".on_input", "(IA)³"},
      {".a1.weight", "GLoRA"},  {".w_norm", "norms"},           {".diff", "differences"}};
  for (const auto& [role, kind] : kinds) {
    write_safetensors(directory / "other.safetensors",
                      {{layer + role, at::ones({4, 32})}, {layer + ".alpha", at::ones({})}});
    EXPECT_SDXL_ERROR(read(directory / "other.safetensors"), ExitStatus::kBadData,
                      std::string("1 of 2 tensors, the first '") + layer + role);
    EXPECT_SDXL_ERROR(read(directory / "other.safetensors"), ExitStatus::kBadData, kind);
  }
}

TEST(LoraFile, RefusesAFileWithoutTensors) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory / "empty.safetensors";
  write_safetensors(file, {});
  EXPECT_SDXL_ERROR(read(file), ExitStatus::kBadData, "holds no tensors");
}

TEST(LoraFile, HasTheNamesThatDiffusersWrites) {
  const test::TemporaryDirectory directory;
  for (const char* name : {"attention", "text_encoders"}) {
    const fs::path theirs = kData / "lora" / str(name, ".safetensors");
    const fs::path ours = directory.path() / "ours.safetensors";
    test::write_lora("diffusers", ours, read(theirs));
    expect_diffusers_names(ours, theirs);
  }
}

TEST(LoraFile, HasOneKindOfNamesWhereDiffusersReadsNoOther) {
  const test::TemporaryDirectory directory;
  const fs::path file = directory.path() / "ours.safetensors";
  test::write_lora("diffusers", file, read(kData / "lora/dora.safetensors"));
  const SafetensorsFile written(file);
  for (const SafetensorsEntry& entry : written.entries()) {
    EXPECT_EQ(entry.name.find(".lora.down."), std::string::npos) << entry.name;
  }
  const std::string conv = "unet.down_blocks.0.resnets.0.conv2.lora_magnitude_vector.weight";
  EXPECT_EQ(written.tensor(conv).dim(), 4);
}

INSTANTIATE_TEST_SUITE_P(All, LoraFileRoundTrip,
                         testing::Values("attention", "text_encoders", "all_kinds", "dora"),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sdxl
