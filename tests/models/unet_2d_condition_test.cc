// The UNet against diffusers, and its config.
#include "models/unet_2d_condition.h"

#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "models/reference.h"

namespace sdxl {
namespace {

using testing::HasSubstr;

struct UNetInputs {
  at::Tensor sample, timestep, encoder_hidden_states, text_embeds, time_ids;

  UNetInputs(const UNet2DConditionConfig& config, const at::Tensor& output, int64_t tokens) {
    const int64_t batch = output.size(0);
    const int64_t pooled =
        config.projection_class_embeddings_input_dim - 6 * config.addition_time_embed_dim;
    sample = hashed_values("sample", {batch, config.in_channels, output.size(2), output.size(3)});
    timestep = hashed_values("timestep", {batch}) * 500 + 500;
    encoder_hidden_states =
        hashed_values("encoder_hidden_states", {batch, tokens, config.cross_attention_dim});
    text_embeds = hashed_values("text_embeds", {batch, pooled});
    time_ids = at::floor(hashed_values("time_ids", {batch, 6}) * 600 + 601);
  }
  std::vector<std::pair<std::string, at::Tensor>> differentiable() const {
    return {{"sample", sample},
            {"encoder_hidden_states", encoder_hidden_states},
            {"text_embeds", text_embeds}};
  }
  at::Tensor forward(const UNet2DConditionModel& model) const {
    return model.forward(sample, timestep, encoder_hidden_states, text_embeds, time_ids);
  }
};

struct Case {
  const char* name;
  int64_t tokens;
};
void PrintTo(const Case& value, std::ostream* out) { *out << value.name; }

class UNetAgainstDiffusers : public testing::TestWithParam<Case> {
 protected:
  Reference reference_{GetParam().name};
  UNet2DConditionConfig config_ =
      UNet2DConditionConfig::from_json(reference_.config, "config.json");
  UNet2DConditionModel model_{config_};
  UNetInputs inputs_{config_, reference_.tensors.at("output"), GetParam().tokens};
};

TEST_P(UNetAgainstDiffusers, HasTheSameParametersInTheSameOrder) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : model_.parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names, reference_.parameters);
}

TEST_P(UNetAgainstDiffusers, KeepsWhatThePromptAloneDecides) {
  load_hashed_weights(model_);
  const at::NoGradGuard no_grad;
  const at::Tensor expected = inputs_.forward(model_);
  UNetPromptCache cache;
  for (int call = 0; call < 2; ++call) {
    const at::Tensor output =
        model_.forward(inputs_.sample, inputs_.timestep, inputs_.encoder_hidden_states,
                       inputs_.text_embeds, inputs_.time_ids, &cache);
    EXPECT_TRUE(output.equal(expected));
  }
  EXPECT_TRUE(cache.added_embedding.defined());
}

/// Unlike diffusers, which converts them to the prompt's dtype: there 1023 becomes 1024.
TEST_P(UNetAgainstDiffusers, KeepsSizesInFloat32WithWeightsInBfloat16) {
  load_hashed_weights(model_, at::kBFloat16);
  const at::NoGradGuard no_grad;
  inputs_.time_ids = at::full_like(inputs_.time_ids, 1024);
  const at::Tensor even = inputs_.forward(model_);
  inputs_.time_ids = at::full_like(inputs_.time_ids, 1023);
  EXPECT_FALSE(inputs_.forward(model_).equal(even));
}

TEST_P(UNetAgainstDiffusers, ComputesTheSameOutput) {
  load_hashed_weights(model_);
  EXPECT_LT(relative_error(inputs_.forward(model_), reference_.tensors.at("output")), 1e-5);
}

TEST_P(UNetAgainstDiffusers, ComputesTheSameGradients) {
  load_hashed_weights(model_);
  require_gradients(model_);
  for (auto [name, tensor] : inputs_.differentiable()) tensor.set_requires_grad(true);
  weighted_sum({inputs_.forward(model_)}).backward();
  expect_gradients(model_, inputs_.differentiable(), reference_);
}

TEST_P(UNetAgainstDiffusers, ComputesNearlyTheSameInBfloat16) {
  load_hashed_weights(model_, at::kBFloat16);
  const at::Tensor output = inputs_.forward(model_);
  EXPECT_EQ(output.scalar_type(), at::kBFloat16);
  EXPECT_LT(relative_error(output, reference_.tensors.at("output")), 0.05);
}

TEST_P(UNetAgainstDiffusers, RecomputingChangesNoBitOfOutputAndGradients) {
  load_hashed_weights(model_);
  require_gradients(model_);
  std::vector<at::Tensor> outputs;
  std::vector<std::vector<at::Tensor>> gradients;
  for (const bool recompute : {false, true}) {
    model_.set_gradient_checkpointing(recompute);
    outputs.push_back(inputs_.forward(model_));
    weighted_sum({outputs.back()}).backward();
    gradients.emplace_back();
    for (const NamedParameter& parameter : model_.parameters()) {
      gradients.back().push_back(parameter.tensor->grad());
      parameter.tensor->mutable_grad() = at::Tensor();
    }
  }
  EXPECT_TRUE(outputs[0].equal(outputs[1]));
  for (size_t i = 0; i < gradients[0].size(); ++i) {
    ASSERT_EQ(gradients[0][i].defined(), gradients[1][i].defined());
    if (!gradients[0][i].defined()) continue;
    EXPECT_TRUE(gradients[0][i].equal(gradients[1][i])) << reference_.parameters[i];
  }
}

INSTANTIATE_TEST_SUITE_P(Configs, UNetAgainstDiffusers,
                         testing::Values(Case{"unet_linear", 5}, Case{"unet_conv", 3},
                                         Case{"unet_plain_mid", 4}),
                         [](const auto& info) { return std::string(info.param.name); });

Json config_with(const std::string& key, Json value) {
  Json json = Reference("unet_linear").config;
  json[key] = std::move(value);
  return json;
}

void expect_refused(const std::string& key, Json value) {
  try {
    UNet2DConditionConfig::from_json(config_with(key, value), "unet/config.json");
    ADD_FAILURE() << key << " was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    EXPECT_THAT(error.what(), HasSubstr("unet/config.json: " + key + " is "));
  }
}

TEST(UNet2DConditionConfig, RefusesOtherArchitecturesByKeyAndValue) {
  expect_refused("resnet_time_scale_shift", "scale_shift");
  expect_refused("addition_embed_type", nullptr);
  expect_refused("addition_embed_type", "text");
  expect_refused("num_attention_heads", 4);
  expect_refused("class_embed_type", "projection");
  expect_refused("time_cond_proj_dim", 256);
  expect_refused("only_cross_attention", Json::array({true, false, true}));
  expect_refused("down_block_types",
                 Json::array({"DownBlock2D", "DownBlock2D", "AttnDownBlock2D"}));
  expect_refused("mid_block_type", nullptr);
  expect_refused("a_new_key", "of a later version");
}

TEST(UNet2DConditionConfig, RefusesNumbersThatDoNotFitEachOther) {
  expect_refused("down_block_types", Json::array({"DownBlock2D", "DownBlock2D"}));
  expect_refused("block_out_channels", Json::array({8, 12, 23}));
  expect_refused("layers_per_block", Json::array({2, 2}));
  expect_refused("attention_head_dim", Json::array({1, 3, 25}));
  expect_refused("transformer_layers_per_block", Json::array({1, Json::array({2, 1}), 3}));
  expect_refused("norm_num_groups", 0);
  expect_refused("sample_size", -1);
}

TEST(UNet2DConditionConfig, PassesOverWhatChangesNothing) {
  for (const char* key : {"_name_or_path", "upcast_attention", "decay"}) {
    EXPECT_NO_THROW(UNet2DConditionConfig::from_json(config_with(key, 0.9999), "config.json"));
  }
  EXPECT_NO_THROW(
      UNet2DConditionConfig::from_json(config_with("a_new_switch", false), "config.json"));
}

}  // namespace
}  // namespace sdxl
