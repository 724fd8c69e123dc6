// Every sampler against diffusers; tools/reference/schedulers.py writes the runs.
#include "schedulers/trajectory.h"

#include <gtest/gtest.h>

#include "schedulers/registry.h"
#include "support/tensors.h"

namespace sdxl {
namespace {

const Json& reference() {
  static const Json json = read_json(SDXL_TEST_DATA "/schedulers.json");
  return json;
}

at::Tensor values_of(const Json& numbers) {
  const auto values = numbers.get<std::vector<float>>();
  return at::tensor(values);
}

class SchedulerTrajectory : public testing::TestWithParam<std::string> {};

TEST_P(SchedulerTrajectory, FollowsDiffusers) {
  ASSERT_TRUE(reference()["runs"].contains(GetParam()))
      << "add " << GetParam() << " to tools/reference/schedulers.py and run it";
  const Json& expected = reference()["runs"][GetParam()];
  Json plan = reference()["plan"];
  plan["name"] = GetParam();
  const Trajectory run = run_trajectory(plan);
  EXPECT_TRUE(at::allclose(run.timesteps, values_of(expected["timesteps"]), 1e-5, 1e-5));
  EXPECT_FLOAT_EQ(run.init_noise_sigma, expected["init_noise_sigma"].get<float>());
  const at::Tensor latents = values_of(expected["latents"]);
  const double size = latents.abs().max().item<double>();
  EXPECT_LE(largest_difference(run.samples.back().flatten(), latents), 2e-5 * size);
}

INSTANTIATE_TEST_SUITE_P(All, SchedulerTrajectory, testing::ValuesIn(scheduler_names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace sdxl
