// Learning-rate schedules against diffusers' (tools/reference/objective.py).
#include "training/lr_schedule.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace sdxl {
namespace {

TEST(LrSchedule, EqualsDiffusersAtEveryStep) {
  for (const Json& expected : read_json(SDXL_TEST_DATA "/training/schedules.json")) {
    LrScheduleOptions options{expected["name"],   expected["warmup"], expected["total"],
                              expected["cycles"], expected["power"],  1e-7 / 1e-4};
    const LrSchedule schedule(options);
    int64_t step = 0;
    for (const Json& multiplier : expected["multipliers"]) {
      EXPECT_NEAR(schedule(step), multiplier.get<double>(), 1e-12) << options.name << " " << step;
      ++step;
    }
  }
}

TEST(LrSchedule, MovesByItsPace) {
  // accelerate with two processes: a warm-up of 4 is over after 2 steps.
  LrScheduleOptions options{"linear", 4, 8, 1, 1.0, 0.0, 2};
  const LrSchedule schedule(options);
  const double expected[] = {0.0, 0.5, 1.0, 0.5, 0.0};
  for (int64_t step = 0; step < 5; ++step) EXPECT_DOUBLE_EQ(schedule(step), expected[step]);
}

}  // namespace
}  // namespace sdxl
