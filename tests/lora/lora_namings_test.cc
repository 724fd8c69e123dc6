// One adapter in every naming (tools/reference/lora_files.py), and the namings that are written.
#include "lora/lora_file.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "io/safetensors.h"
#include "lora/tiny_layers.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const std::string kFiles = SDXL_TEST_DATA "/lora/";

void expect_same_changes(const LoraWeights& left, const LoraWeights& right) {
  const auto expected = test::changes(left), found = test::changes(right);
  ASSERT_EQ(expected.size(), found.size());
  for (const auto& [name, change] : expected) {
    ASSERT_EQ(found.count(name), 1u) << name.text();
    EXPECT_TRUE(change.allclose(found.at(name), 1e-6, 1e-7)) << name.text();
  }
}

class LoraNaming : public testing::TestWithParam<const char*> {};

TEST_P(LoraNaming, ReadsAsTheSameAdapter) {
  const LayerNames names = test::tiny_layers();
  const LoraWeights lora = read_lora(kFiles + GetParam(), names);
  EXPECT_TRUE(lora.unmatched.empty());
  EXPECT_TRUE(lora.adapts("unet") && lora.adapts("text_encoder") && lora.adapts("text_encoder_2"));
  expect_same_changes(read_lora(kFiles + "diffusers", names), lora);
}

INSTANTIATE_TEST_SUITE_P(Files, LoraNaming,
                         testing::Values("peft", "old_diffusers.safetensors", "kohya.safetensors",
                                         "kohya_sgm.safetensors",
                                         "paddle_lora_weights.safetensors"));

TEST(LoraFile, ComesBackFromEveryNamingThatIsWritten) {
  const test::TemporaryDirectory directory;
  const LayerNames names = test::tiny_layers();
  for (const char* file : {"kohya.safetensors", "convolutions.safetensors", "dora"}) {
    const LoraWeights lora = read_lora(kFiles + file, names);
    write_diffusers_lora(directory.path() / "d.safetensors", lora);
    write_kohya_lora(directory.path() / "k.safetensors", lora, test::tiny_unet_config());
    write_peft_lora(directory.path() / "p", lora);
    for (const char* written : {"d.safetensors", "k.safetensors", "p"}) {
      const LoraWeights again = read_lora(directory.path() / written, names);
      EXPECT_TRUE(again.unmatched.empty()) << written;
      expect_same_changes(lora, again);
      for (const auto& [name, layer] : lora.layers) {
        const at::Tensor magnitude = again.layers.at(name).magnitude;
        ASSERT_EQ(layer.magnitude.defined(), magnitude.defined());
        if (magnitude.defined()) {
          EXPECT_TRUE(layer.magnitude.equal(magnitude));
        }
      }
    }
  }
}

TEST(LoraFile, ListsTensorsThatMatchNothing) {
  const test::TemporaryDirectory directory;
  TensorMap tensors = SafetensorsFile(kFiles + "kohya.safetensors").tensors();
  std::vector<std::pair<std::string, at::Tensor>> all(tensors.begin(), tensors.end());
  all.emplace_back("lora_unet_nowhere.alpha", at::ones({}));
  write_safetensors(directory.path() / "more.safetensors", all);
  const LoraWeights lora = read_lora(directory.path() / "more.safetensors", test::tiny_layers());
  EXPECT_EQ(lora.unmatched, std::vector<std::string>{"lora_unet_nowhere.alpha"});
  EXPECT_THROW(require_all_matched(lora), Error);
}

}  // namespace
}  // namespace sdxl
