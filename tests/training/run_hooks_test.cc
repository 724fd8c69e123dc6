// The order of what is done after a step.
#include "training/run_hooks.h"

#include <gmock/gmock.h>

namespace sdxl {
namespace {

TEST(RunHooks, RecordsTheBestCheckpointWhenItIsThere) {
  std::vector<std::string> done;
  RunActions actions;
  actions.save = [&](int64_t) { done.emplace_back("save"); };
  actions.validation_loss = [](int64_t) { return 0.5; };
  actions.keep_as_best = [&](int64_t, double) { done.emplace_back("record"); };
  RunSchedule schedule;
  schedule.max_steps = 10;
  schedule.validation_loss_steps = 1;
  schedule.keep_best = true;
  RunLog log;
  RunHooks hooks(schedule, actions, log, 0);
  StepReport report;
  report.step = 1;
  hooks.after_step(report);
  EXPECT_THAT(done, testing::ElementsAre("save", "record"));
}

}  // namespace
}  // namespace sdxl
