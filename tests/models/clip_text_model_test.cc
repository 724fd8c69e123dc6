// The text encoders against transformers.
#include "models/clip_text_model.h"

#include "base/error.h"
#include "models/reference.h"

namespace sdxl {
namespace {

class ClipAgainstTransformers : public testing::TestWithParam<std::string> {
 protected:
  static CLIPTextConfig config(const Reference& reference) {
    CLIPTextConfig config = CLIPTextConfig::from_json(reference.config, "config.json");
    config.with_projection = reference.tensors.count("pooled") != 0;
    return config;
  }
  Reference reference_{GetParam()};
  CLIPTextModel model_{config(reference_)};
  at::Tensor ids_ = reference_.tensors.at("ids");
};

TEST_P(ClipAgainstTransformers, HasTheSameParametersInTheSameOrder) {
  std::vector<std::string> names;
  for (const NamedParameter& parameter : model_.parameters()) names.push_back(parameter.name);
  EXPECT_EQ(names, reference_.parameters);
}

TEST_P(ClipAgainstTransformers, ComputesTheSameHiddenStatesAndPooledVector) {
  load_hashed_weights(model_);
  for (int i = 0; i < 3; ++i) {
    const CLIPTextOutput output = model_.forward(ids_, -1 - i);
    const at::Tensor expected = reference_.tensors.at("hidden_" + std::to_string(i));
    EXPECT_LT(relative_error(output.hidden_state, expected), 1e-5) << i;
    if (output.pooled.defined()) {
      EXPECT_LT(relative_error(output.pooled, reference_.tensors.at("pooled")), 1e-5);
    }
  }
}

TEST_P(ClipAgainstTransformers, ComputesTheSameGradients) {
  load_hashed_weights(model_);
  require_gradients(model_);
  for (const bool recompute : {false, true}) {
    model_.set_gradient_checkpointing(recompute);
    const CLIPTextOutput output = model_.forward(ids_);
    std::vector<at::Tensor> outputs = {output.hidden_state};
    if (output.pooled.defined()) outputs.push_back(output.pooled);
    weighted_sum(outputs).backward();
    expect_gradients(model_, {}, reference_);
    for (const auto& parameter : model_.parameters()) parameter.tensor->mutable_grad().reset();
  }
}

TEST_P(ClipAgainstTransformers, ComputesNearlyTheSameInBfloat16) {
  load_hashed_weights(model_, at::kBFloat16);
  const at::Tensor state = model_.forward(ids_).hidden_state;
  EXPECT_LT(relative_error(state, reference_.tensors.at("hidden_1")), 0.05);
}

/// With and without a projection; transformers loads nothing into CLIPTextModelWithProjection from
/// names without "text_model.".
TEST_P(ClipAgainstTransformers, LoadsBothStylesOfNames) {
  const auto without_prefix = [](const std::string& name) {
    return name.starts_with("text_model.") ? name.substr(11) : name;
  };
  load_hashed_weights(model_);
  const at::Tensor expected = model_.forward(ids_).hidden_state;
  model_.load(hashed_weights(model_).renamed(without_prefix), {});
  EXPECT_TRUE(model_.forward(ids_).hidden_state.equal(expected));
}

INSTANTIATE_TEST_SUITE_P(Configs, ClipAgainstTransformers,
                         testing::Values("clip_quick_gelu", "clip_gelu", "clip_plain"),
                         [](const auto& info) { return info.param; });

TEST(CLIPTextConfig, RefusesOtherActivations) {
  Json json = Reference("clip_gelu").config;
  json["hidden_act"] = "gelu_new";
  EXPECT_THROW(CLIPTextConfig::from_json(json, "config.json"), Error);
}

TEST(CLIPTextModel, RefusesHiddenStatesThatDoNotExist) {
  const Reference reference("clip_plain");
  CLIPTextModel model(CLIPTextConfig::from_json(reference.config, "config.json"));
  load_hashed_weights(model);
  EXPECT_NO_THROW(model.forward(reference.tensors.at("ids"), -3));
  EXPECT_THROW(model.forward(reference.tensors.at("ids"), -4), Error);
}

}  // namespace
}  // namespace sdxl
