// One adapter in every format (tools/reference/lora_files.py), and the formats that are written.
#include "lora/formats/registry.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "io/safetensors.h"
#include "lora/tiny_layers.h"
#include "support/expect_error.h"
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

class LoraFormats : public testing::TestWithParam<const char*> {};

TEST_P(LoraFormats, ReadsAsTheSameAdapter) {
  const LayerNames names = test::tiny_layers();
  const LoraWeights lora = read_lora(kFiles + GetParam(), names);
  EXPECT_TRUE(lora.unmatched.empty());
  EXPECT_TRUE(lora.adapts("unet") && lora.adapts("text_encoder") && lora.adapts("text_encoder_2"));
  expect_same_changes(read_lora(kFiles + "diffusers", names), lora);
}

INSTANTIATE_TEST_SUITE_P(Files, LoraFormats,
                         testing::Values("peft", "old_diffusers.safetensors", "kohya.safetensors",
                                         "kohya_sgm.safetensors",
                                         "paddle_lora_weights.safetensors"));

TEST(LoraFormat, ComesBackFromEveryFormatThatIsWritten) {
  const test::TemporaryDirectory directory;
  const LayerNames names = test::tiny_layers();
  for (const char* file : {"kohya.safetensors", "convolutions.safetensors", "dora"}) {
    const LoraWeights lora = read_lora(kFiles + file, names);
    for (const std::string& format : written_lora_formats()) {
      test::write_lora(format, directory / format, lora);
      const LoraWeights again = read_lora(directory / format, names);
      EXPECT_TRUE(again.unmatched.empty()) << format;
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

TEST(LoraFormat, RefusesAFileInTwo) {
  const test::TemporaryDirectory directory;
  const std::string layer = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q";
  TensorMap tensors = SafetensorsFile(kFiles + "kohya.safetensors").tensors();
  std::vector<std::pair<std::string, at::Tensor>> all(tensors.begin(), tensors.end());
  all.emplace_back("unet." + layer + ".lora.down.weight", at::ones({1, 64}));
  write_safetensors(directory / "two.safetensors", all);
  EXPECT_SDXL_ERROR(
      read_lora(directory / "two.safetensors", test::tiny_layers()), ExitStatus::kBadData,
      "'unet." + layer + "' is named as in files of diffusers, other keys as in those of kohya");
}

/// The names by which readers find these tensors (tools/parity/lora_readers_check.py counts them).
TEST(LoraFormat, WritesTheNamesThatItsReadersKnow) {
  const test::TemporaryDirectory directory;
  LoraWeights lora;
  for (const LayerName& name :
       {LayerName{"text_encoder", "text_model.encoder.layers.0.self_attn.q_proj"},
        LayerName{"text_encoder_2", "text_model.encoder.layers.0.self_attn.q_proj"},
        LayerName{"text_encoder_2", "text_projection"}}) {
    lora.layers[name] = {at::ones({1, 32}), at::ones({32, 1}), 1, at::ones({32})};
  }
  const std::string layer = "encoder.layers.0.self_attn.q_proj";
  test::write_lora("diffusers", directory / "diffusers", lora);
  test::write_lora("kohya", directory / "kohya", lora);
  test::write_lora("peft", directory / "peft", lora);
  const auto holds = [&](const std::string& file, const std::string& key) {
    return SafetensorsFile(directory / file).contains(key);
  };
  const std::string magnitude = ".lora_magnitude_vector";
  EXPECT_TRUE(holds("diffusers", "text_encoder.text_model." + layer + magnitude + ".weight"));
  EXPECT_TRUE(holds("diffusers", "text_encoder_2.text_projection" + magnitude + ".weight"));
  EXPECT_TRUE(holds("kohya", "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.alpha"));
  EXPECT_TRUE(holds("kohya", "lora_te2_text_projection.lora_up.weight"));
  const std::string peft = "adapter_model.safetensors", model = "base_model.model.";
  EXPECT_TRUE(holds("peft/text_encoder/" + peft, model + layer + magnitude));
  EXPECT_TRUE(holds("peft/text_encoder_2/" + peft, model + "text_model." + layer + magnitude));
  EXPECT_TRUE(holds("peft/text_encoder_2/" + peft, model + "text_projection.lora_A.weight"));
}

TEST(LoraFormat, ListsTensorsThatMatchNothing) {
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
