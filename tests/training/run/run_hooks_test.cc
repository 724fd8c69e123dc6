// The order of work after a step.
#include "training/run/run_hooks.h"

#include <gmock/gmock.h>

#include "base/text.h"

namespace sdxl {
namespace {

TEST(RunHooks, SavesTheBestCheckpointBeforeRecordingIt) {
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

TEST(RunHooks, CatchesUpWithWorkThatWasDueAtTheResumedStep) {
  std::vector<std::string> done;
  RunActions actions;
  actions.draw = [&](int64_t step) { done.push_back(str("draw ", step)); };
  actions.validation_loss = [&](int64_t step) {
    return done.push_back(str("measure ", step)), 1.0;
  };
  RunSchedule schedule;
  schedule.validation_steps = 3;
  schedule.validation_loss_steps = 2;
  RunLog log;
  RunHooks hooks(schedule, actions, log, 6);
  hooks.catch_up(6, false, false);
  hooks.catch_up(6, true, true);
  hooks.catch_up(4, false, false);
  hooks.catch_up(5, false, false);
  EXPECT_THAT(done, testing::ElementsAre("measure 6", "draw 6", "measure 4"));
}

}  // namespace
}  // namespace sdxl
