// The log of a run whose disk fails.
#include "training/run/run_log.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

/// Fails to write the first time, as on a full disk.
class FailingTracker : public Tracker {
 public:
  explicit FailingTracker(int* written) : written_(written) {}
  void scalars(int64_t, const std::vector<std::pair<std::string, double>>&) override {
    if (is_full_) {
      is_full_ = false;
      throw Error(ExitStatus::kFileError, "the disk is full");
    }
    ++*written_;
  }
  void images(const std::string&, int64_t, const std::vector<TrackedImage>&) override {}
  void flush() override {}
  void finish(int) override {}

 private:
  bool is_full_ = true;
  int* written_;
};

TEST(RunLog, GoesOnWhenTheDiskOfMetricsIsFull) {
  const test::TemporaryDirectory directory;
  std::filesystem::create_symlink("/dev/full", directory / "metrics.jsonl");
  RunLog log(directory.path(), {}, 0, 2, 1);
  StepReport report;
  report.step = 1;
  EXPECT_NO_THROW(log.step(report));
  EXPECT_NO_THROW(log.event(1, {{"validation_loss", 0.5}}));
}

TEST(RunLog, TriesAgainWithTheNextStep) {
  const test::TemporaryDirectory directory;
  int written = 0;
  std::vector<std::unique_ptr<Tracker>> trackers;
  trackers.push_back(std::make_unique<FailingTracker>(&written));
  RunLog log(directory.path(), std::move(trackers), 0, 2, 1);
  for (int64_t step : {1, 2}) {
    StepReport report;
    report.step = step;
    log.step(report);
  }
  EXPECT_EQ(written, 1);
}

}  // namespace
}  // namespace sdxl
