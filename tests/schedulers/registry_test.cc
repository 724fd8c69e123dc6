// Choosing, configuring and planning samplers.
#include "schedulers/registry.h"

#include <ATen/CPUGeneratorImpl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace sdxl {
namespace {

using testing::Contains;
using testing::HasSubstr;

const Json kEuler = {{"_class_name", "EulerDiscreteScheduler"},
                     {"beta_start", 0.00085},
                     {"beta_end", 0.012},
                     {"beta_schedule", "scaled_linear"},
                     {"num_train_timesteps", 1000},
                     {"timestep_spacing", "leading"},
                     {"steps_offset", 1}};

std::string error_of(const std::string& name, const Json& config, ExitStatus status,
                     const Json& overrides = nullptr) {
  try {
    make_scheduler(name, config, overrides, "scheduler_config.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status);
    return error.what();
  }
  return "no error";
}

TEST(SchedulerRegistry, TakesTheClassThatTheConfigNames) {
  auto scheduler = make_scheduler("", kEuler, nullptr, "config");
  scheduler->set_timesteps(30);
  const at::Tensor t = scheduler->timesteps();
  EXPECT_EQ(t.size(0), 30);
  EXPECT_EQ(t[0].item<float>(), 958.0f);
  EXPECT_EQ(t[29].item<float>(), 1.0f);
  EXPECT_NEAR(scheduler->init_noise_sigma(), 11.520334, 1e-5);
}

/// The sigmas fall at the end of this table; the timesteps are those of diffusers 0.42.1.
TEST(SchedulerRegistry, FindsTimestepsInATableThatDoesNotRiseToItsEnd) {
  const Json config = {{"_class_name", "DPMSolverMultistepScheduler"},
                       {"rescale_betas_zero_snr", true},
                       {"use_lu_lambdas", true}};
  auto scheduler = make_scheduler("", config, nullptr, "config");
  scheduler->set_timesteps(50);
  EXPECT_EQ(scheduler->timesteps()[0].item<float>(), 999.0f);
  EXPECT_EQ(scheduler->timesteps()[1].item<float>(), 994.0f);
}

TEST(SchedulerRegistry, NamesEveryAlgorithmAndItsSpacings) {
  EXPECT_THAT(scheduler_names(), Contains("euler"));
  EXPECT_THAT(scheduler_names(), Contains("euler_karras"));
}

TEST(SchedulerRegistry, RefusesWhatItDoesNotKnow) {
  Json config = kEuler;
  config["_class_name"] = "Foo\n";
  EXPECT_THAT(error_of("", config, ExitStatus::kBadData),
              HasSubstr("scheduler_config.json: the scheduler class 'Foo\\x0A' is not known"));
  EXPECT_EQ(
      error_of("euler", kEuler, ExitStatus::kUsage, {{"beta_stop", 1}}),
      "--beta_stop: the scheduler euler cannot work with beta_stop '1': it does not read this "
      "setting; leave it out");
}

TEST(SchedulerRegistry, StartsAgainWhenTimestepsAreSet) {
  auto scheduler = make_scheduler("euler", kEuler, nullptr, "config");
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
  const at::Tensor start = at::randn({1, 4, 2, 2}, generator);
  std::vector<at::Tensor> ends;
  for (int run = 0; run < 2; ++run) {
    scheduler->set_timesteps(3);
    at::Tensor x = start;
    for (int64_t i = 0; i < 3; ++i) {
      const at::Tensor output = scheduler->scale_model_input(x, i).sin();
      x = scheduler->step(output, i, x, generator);
    }
    ends.push_back(x);
  }
  EXPECT_TRUE(ends[0].equal(ends[1]));
}

}  // namespace
}  // namespace sdxl
