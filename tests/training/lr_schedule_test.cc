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

TEST(LrSchedule, RefusesAnUnknownName) {
  LrScheduleOptions options;
  options.name = "piecewise_constant";
  EXPECT_THROW(LrSchedule{options}, Error);
}

}  // namespace
}  // namespace sdxl
