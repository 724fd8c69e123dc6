#include "lora/lora_merge.h"

#include <gtest/gtest.h>

#include "lora/tiny_layers.h"

namespace sdxl {
namespace {

class LoraMerge : public testing::Test {
 protected:
  LoraMerge() {
    const Weights weights = Weights::open(test::kTiny + "/unet", "diffusion_pytorch_model");
    unet_.load(weights, {at::kCPU, at::kBFloat16});
    merger_ = std::make_unique<LoraMerger>(
        std::map<std::string, LoraMerger::Component>{{"unet", {&unet_, weights}}});
    stored_ = weights.tensor(kWeight).to(at::kFloat);
  }
  at::Tensor weight(const std::string& name) {
    for (const NamedParameter& parameter : unet_.parameters()) {
      if (parameter.name == name) return parameter.tensor->clone();
    }
    return {};
  }
  LoraWeights lora(const std::string& file) {
    return read_lora(SDXL_TEST_DATA "/lora/" + file, test::tiny_layers());
  }

  static constexpr const char* kWeight =
      "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight";
  const LayerName kLayer{"unet", "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"};
  UNet2DConditionModel unet_{test::tiny_unet_config()};
  std::unique_ptr<LoraMerger> merger_;
  at::Tensor stored_;
};

TEST_F(LoraMerge, RoundsTheSumOfStoredValuesOnce) {
  const LoraWeights attention = lora("kohya.safetensors");
  merger_->merge({{&attention, 0.5}, {&attention, 0.25}});
  const at::Tensor change = test::changes(attention).at(kLayer);
  const at::Tensor expected = (stored_ + 0.5 * change + 0.25 * change).to(at::kBFloat16);
  const at::Tensor apart = (weight(kWeight).to(at::kFloat) - expected.to(at::kFloat)).abs();
  EXPECT_LE((apart / expected.to(at::kFloat).abs().clamp_min(1e-3)).max().item<float>(), 0.008);
}

TEST_F(LoraMerge, RestoresEveryWeightBitForBit) {
  std::map<std::string, at::Tensor> before;
  for (const auto& [name, tensor] : unet_.state()) before[name] = tensor.clone();
  const LoraWeights first = lora("kohya.safetensors"), second = lora("convolutions.safetensors");
  merger_->merge({{&first, 1.0}});
  EXPECT_FALSE(weight(kWeight).equal(before.at(kWeight)));
  merger_->merge({{&second, 1.0}});
  EXPECT_TRUE(weight(kWeight).equal(before.at(kWeight)));
  merger_->merge({});
  for (const auto& [name, tensor] : unet_.state()) EXPECT_TRUE(tensor.equal(before.at(name)));
}

/// PEFT merged the adapters (tools/reference/lora_rules.py).
TEST(LoraMergeInTurn, EqualsPeft) {
  const Weights weights = Weights::open(test::kTiny + "/unet", "diffusion_pytorch_model");
  std::vector<LoraWeights> loras;
  for (int i = 0; i < 4; ++i) {
    loras.push_back(
        read_lora(SDXL_TEST_DATA "/lora/rules/in_turn_" + std::to_string(i) + ".safetensors",
                  test::tiny_layers()));
  }
  constexpr double kScales[] = {0.6, 0.8, 0.5, 0.7};
  const std::map<std::string, std::vector<std::pair<int, double>>> cases = {
      {"all", {{0, kScales[0]}, {1, kScales[1]}, {2, kScales[2]}, {3, kScales[3]}}},
      {"plain_then_dora", {{0, kScales[0]}, {1, kScales[1]}}},
      {"dora_then_plain", {{1, kScales[1]}, {0, kScales[0]}}},
      {"dora_at_0", {{1, 0.0}}}};
  for (const auto& [key, expected] :
       SafetensorsFile(SDXL_TEST_DATA "/lora/rules/merged.safetensors").tensors()) {
    const size_t dot = key.find('.');
    const LayerName name{"unet", key.substr(dot + 1)};
    ScaledLayers layers;
    for (const auto& [index, scale] : cases.at(key.substr(0, dot))) {
      layers.emplace_back(&loras[index].layers.at(name), scale);
    }
    const at::Tensor merged = merged_weight(weights.tensor(name.path + ".weight"), layers);
    EXPECT_LE((merged - expected).abs().max().item<double>(), 1e-6) << key;
  }
}

TEST_F(LoraMerge, GivesTheSameWhateverWasMergedBefore) {
  const LoraWeights first = lora("kohya.safetensors"), second = lora("dora");
  merger_->merge({{&second, 0.8}});
  const at::Tensor alone = weight(kWeight);
  merger_->merge({{&first, 1.0}});
  merger_->merge({{&second, 0.8}});
  EXPECT_TRUE(weight(kWeight).equal(alone));
}

}  // namespace
}  // namespace sdxl
