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
