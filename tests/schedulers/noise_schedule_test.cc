// The forward process against values that diffusers' DDPMScheduler and compute_snr gave
// (tools/reference/schedulers.py prints them).
#include "schedulers/noise_schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace sdxl {
namespace {

const Json kScaledLinear = {{"beta_start", 0.00085},
                            {"beta_end", 0.012},
                            {"beta_schedule", "scaled_linear"},
                            {"num_train_timesteps", 1000}};

at::Tensor steps(std::vector<int64_t> values) { return at::tensor(values, at::kLong); }

TEST(NoiseSchedule, KnowsTheAlphasOfSdxl) {
  const NoiseSchedule schedule(kScaledLinear, "config");
  EXPECT_EQ(schedule.num_train_timesteps(), 1000);
  EXPECT_EQ(schedule.prediction_type(), "epsilon");
  EXPECT_FLOAT_EQ(schedule.alphas_cumprod()[0].item<float>(), 0.99914998f);
  EXPECT_FLOAT_EQ(schedule.alphas_cumprod()[999].item<float>(), 0.00466009509f);
}

TEST(NoiseSchedule, ComputesTheSignalToNoiseRatio) {
  const at::Tensor snr = NoiseSchedule(kScaledLinear, "config").snr(steps({0, 999}));
  EXPECT_NEAR(snr[0].item<float>(), 1175.44f, 0.01);
  EXPECT_NEAR(snr[1].item<float>(), 0.0046819f, 1e-7);
}

TEST(NoiseSchedule, LeavesNoSignalAtTheLastStepWhenRescaled) {
  Json config = kScaledLinear;
  config["rescale_betas_zero_snr"] = true;
  const NoiseSchedule schedule(config, "config");
  EXPECT_EQ(schedule.alphas_cumprod()[999].item<float>(), 0.0f);
  EXPECT_FLOAT_EQ(schedule.alphas_cumprod()[0].item<float>(), 0.99914998f);
  EXPECT_EQ(schedule.snr(steps({999})).item<float>(), 0.0f);
}

TEST(NoiseSchedule, MixesLatentsAndNoiseInFloat32) {
  const NoiseSchedule schedule(kScaledLinear, "config");
  const at::Tensor t = steps({0, 999});
  const at::Tensor latents = at::full({2, 1, 2, 2}, 2.0, at::kHalf);
  const at::Tensor noise = at::full({2, 1, 2, 2}, 3.0, at::kHalf);
  const at::Tensor alpha = schedule.alphas_cumprod().index_select(0, t).view({2, 1, 1, 1});
  const at::Tensor noisy = schedule.add_noise(latents, noise, t);
  EXPECT_EQ(noisy.scalar_type(), at::kFloat);
  EXPECT_TRUE(noisy.equal((alpha.sqrt() * 2 + (1 - alpha).sqrt() * 3).expand({2, 1, 2, 2})));
  const at::Tensor velocity = schedule.velocity(latents, noise, t);
  EXPECT_TRUE(velocity.equal((alpha.sqrt() * 3 - (1 - alpha).sqrt() * 2).expand({2, 1, 2, 2})));
}

TEST(NoiseSchedule, RefusesABetaScheduleByName) {
  Json config = kScaledLinear;
  config["beta_schedule"] = "quadratic";
  try {
    NoiseSchedule schedule(config, "scheduler_config.json");
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    EXPECT_EQ(std::string(error.what()),
              "scheduler_config.json: the scheduler ddpm cannot work with beta_schedule "
              "'quadratic': use linear, scaled_linear, squaredcos_cap_v2, laplace, sigmoid");
  }
}

}  // namespace
}  // namespace sdxl
