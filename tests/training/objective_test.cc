// Noise, targets, weights and losses against diffusers' (tools/reference/objective.py).
#include "training/objective.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/text.h"
#include "io/safetensors.h"

namespace sdxl {
namespace {

const std::vector<int64_t> kDraws = {5, 6, 40};

Json sdxl_schedule(const std::string& prediction_type, bool zero_snr) {
  return {{"beta_start", 0.00085},
          {"beta_end", 0.012},
          {"beta_schedule", "scaled_linear"},
          {"num_train_timesteps", 1000},
          {"prediction_type", prediction_type},
          {"rescale_betas_zero_snr", zero_snr}};
}

struct ObjectiveCase {
  const char* name;
  const char* prediction_type = "epsilon";
  ObjectiveOptions options = {};
  bool zero_snr = false;
};

ObjectiveOptions with_snr() { return {.snr_gamma = 5.0}; }
ObjectiveOptions with_bias(TimestepBias bias) { return {.bias = std::move(bias)}; }

class ObjectiveReference : public testing::TestWithParam<ObjectiveCase> {};

TEST_P(ObjectiveReference, EqualsTheScripts) {
  const ObjectiveCase& c = GetParam();
  const TensorMap data =
      SafetensorsFile(SDXL_TEST_DATA "/training/objective.safetensors").tensors();
  auto expected = [&](const char* key) { return data.at(sdxl::str(c.name, ".", key)); };
  ObjectiveOptions options = c.options;
  options.seed = 11;
  const Objective objective({sdxl_schedule(c.prediction_type, c.zero_snr), "a test"}, options);
  const NoisedBatch batch = objective.noised(data.at("latents"), kDraws);
  EXPECT_TRUE(at::equal(batch.timesteps, expected("timesteps")));
  EXPECT_TRUE(at::allclose(batch.noisy, expected("noisy"), 1e-6, 1e-6));
  EXPECT_TRUE(at::allclose(batch.target, expected("target"), 1e-6, 1e-6));
  const at::Tensor losses = objective.losses(data.at("prediction"), batch);
  EXPECT_TRUE(at::allclose(losses, expected("losses"), 1e-5, 1e-6)) << losses;
}

INSTANTIATE_TEST_SUITE_P(
    All, ObjectiveReference,
    testing::Values(ObjectiveCase{"plain"}, ObjectiveCase{"velocity", "v_prediction"},
                    ObjectiveCase{"sample", "sample"}, ObjectiveCase{"snr", "epsilon", with_snr()},
                    ObjectiveCase{"snr_velocity", "v_prediction", with_snr()},
                    ObjectiveCase{"snr_sample", "sample", with_snr()},
                    ObjectiveCase{"offset", "epsilon", {.noise_offset = 0.1}},
                    ObjectiveCase{"perturbed", "epsilon", {.input_perturbation = 0.1}},
                    ObjectiveCase{"huber", "epsilon", {.huber_c = 0.1}},
                    ObjectiveCase{"later", "epsilon", with_bias({"later", 4.0, 0, 1000, 0.25})},
                    ObjectiveCase{"earlier", "epsilon", with_bias({"earlier", 0.5, 0, 1000, 0.1})},
                    ObjectiveCase{"range", "epsilon", with_bias({"range", 50.0, 300, 320, 0.25})},
                    ObjectiveCase{"zero_snr", "epsilon", with_snr(), true},
                    ObjectiveCase{"zero_snr_velocity", "v_prediction", with_snr(), true}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(Objective, GivesASampleTheSameNoiseInAnyBatch) {
  const Objective objective({sdxl_schedule("epsilon", false), "a test"}, {.noise_offset = 0.1});
  const at::Tensor latents = at::randn({3, 4, 6, 6});
  const NoisedBatch together = objective.noised(latents, {7, 8, 9});
  const NoisedBatch alone = objective.noised(latents.slice(0, 1, 2), {8});
  EXPECT_TRUE(at::equal(together.noisy[1], alone.noisy[0]));
  EXPECT_TRUE(at::equal(together.timesteps[1], alone.timesteps[0]));
}

TEST(Objective, StaysFiniteWhereNoSignalIsLeft) {
  const Objective objective({sdxl_schedule("epsilon", true), "a test"}, with_snr());
  const at::Tensor latents = at::randn({1, 4, 6, 6});
  NoisedBatch batch = objective.noised(latents, {0});
  for (int64_t draw = 1; draw < 20000 && batch.timesteps.item<int64_t>() != 999; ++draw) {
    batch = objective.noised(latents, {draw});
  }
  ASSERT_EQ(batch.timesteps.item<int64_t>(), 999);
  EXPECT_EQ(batch.weights.item<float>(), 1.0f);
}

TEST(Objective, WeighsRelativeToTheSnrAsPpdiffusersDoes) {
  // min(s, 5) / s with s = SNR, of v_prediction SNR + 1: values of semantics.md, section 8.
  struct Case {
    const char* prediction_type;
    int64_t timestep;
    float weight;
  };
  for (const Case& c :
       {Case{"epsilon", 100, 0.59145f}, Case{"sample", 100, 0.59145f}, Case{"sample", 500, 1.0f},
        Case{"v_prediction", 100, 0.52888f}, Case{"v_prediction", 500, 1.0f}}) {
    ObjectiveOptions options = with_snr();
    options.relative_snr = true;
    options.bias = {"range", 1e12, c.timestep, c.timestep + 1, 0.25};  // that one alone
    const Objective objective({sdxl_schedule(c.prediction_type, false), "a test"}, options);
    const NoisedBatch batch = objective.noised(at::randn({1, 4, 6, 6}), {0});
    ASSERT_EQ(batch.timesteps.item<int64_t>(), c.timestep);
    EXPECT_NEAR(batch.weights.item<float>(), c.weight, 1e-5f) << c.prediction_type << c.timestep;
  }
}

TEST(Objective, RefusesARangeOutsideTheTimesteps) {
  EXPECT_THROW(timestep_weights({"range", 2.0, 0, 1001, 0.25}, 1000), Error);
  EXPECT_THROW(timestep_weights({"range", 2.0, -1, 10, 0.25}, 1000), Error);
}

}  // namespace
}  // namespace sdxl
