// Scales and refusals of PEFT's configurations; the files and scales are of
// tools/reference/lora_rules.py.
#include "lora/adapter_config.h"

#include <gtest/gtest.h>

#include "base/json.h"
#include "io/safetensors.h"
#include "lora/tiny_layers.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const std::string kRules = SDXL_TEST_DATA "/lora/rules/";

class LoraRules : public testing::TestWithParam<const char*> {};

TEST_P(LoraRules, GiveEachLayerTheScaleThatDiffusersGivesIt) {
  const LayerNames names = test::tiny_layers();
  const LoraWeights lora = read_lora(kRules + GetParam(), names);
  EXPECT_TRUE(lora.unmatched.empty());
  const Json expected = read_json(kRules + "scales.json").at(GetParam());
  size_t count = 0;
  for (const auto& [component, scales] : expected.items()) {
    for (const auto& [path, scale] : scales.items()) {
      const LoraLayer& layer = lora.layers.at(names.find({component, path}).value());
      EXPECT_NEAR(layer.alpha / static_cast<double>(layer.rank()), scale.get<double>(), 1e-12)
          << path;
      ++count;
    }
  }
  EXPECT_EQ(count, lora.layers.size());
}

INSTANTIATE_TEST_SUITE_P(Files, LoraRules,
                         testing::Values("patterns.safetensors", "unet.safetensors",
                                         "unet_rslora.safetensors", "named_adapter.safetensors"));

/// Reads a file of one attention layer whose metadata is `config`.
LoraWeights read_with(const Json& config, const std::string& prefix = "") {
  const test::TemporaryDirectory directory;
  const std::string layer = prefix + "mid_block.attentions.0.transformer_blocks.0.attn1.to_q";
  write_safetensors(directory / "lora.safetensors",
                    {{layer + ".lora_A.weight", at::ones({4, 32})},
                     {layer + ".lora_B.weight", at::ones({32, 4})}},
                    {{kLoraMetadataKey, config.dump()}});
  return read_lora(directory / "lora.safetensors", test::tiny_layers());
}

TEST(AdapterConfig, IsRefusedForAChangedBase) {
  for (const char* start :
       {"pissa", "pissa_niter_4", "olora", "OLoRA", "loftq", "corda", "lora_ga"}) {
    EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 4}, {"init_lora_weights", start}}),
                      ExitStatus::kBadData, "init_lora_weights is '\"" + std::string(start));
  }
  EXPECT_EQ(read_with({{"lora_alpha", 3}, {"init_lora_weights", "gaussian"}}).layers.size(), 1u);
}

TEST(AdapterConfig, IsRefusedWhereItCannotBePlaced) {
  EXPECT_SDXL_ERROR(read_with({{"transformer.lora_alpha", 4}}), ExitStatus::kBadData,
                    "configures 'transformer', which is not a part of SDXL");
  EXPECT_SDXL_ERROR(read_with({{"text_encoder.lora_alpha", 4}}), ExitStatus::kBadData,
                    "does not say the alpha of unet's adapters");
  EXPECT_SDXL_ERROR(read_with({{"unet.lora_alpha", 4}, {"lora_alpha", 2}}), ExitStatus::kBadData,
                    "configures unet twice");
}

TEST(AdapterConfig, IsRefusedWithSettingsThatAreNotSupported) {
  EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 4}, {"use_qalora", true}}), ExitStatus::kBadData,
                    "use_qalora is 'true', a setting that is not supported");
  EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 4}, {"peft_type", "LOKR"}}), ExitStatus::kBadData,
                    "peft_type is '\"LOKR\"': only \"LORA\" is supported");
  EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 0}}), ExitStatus::kBadData,
                    "lora_alpha is '0': an alpha must be above 0");
  EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 4}, {"alpha_pattern", {{"to_(q", 8}}}}),
                    ExitStatus::kBadData, "'to_(q' in alpha_pattern is not a regular expression");
  EXPECT_SDXL_ERROR(read_with({{"lora_alpha", 4}, {"use_dora", true}}), ExitStatus::kBadData,
                    "has no magnitude, though its configuration says use_dora");
}

TEST(AdapterConfig, HasThePatternThatIsFirst) {
  const Json config = {{"lora_alpha", 4}, {"alpha_pattern", {{"to_q", 8}, {"^mid_block", 2}}}};
  EXPECT_EQ(read_with(config).layers.begin()->second.alpha, 8);
}

}  // namespace
}  // namespace sdxl
