#include "training/trackers/registry.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

TrackerOptions options_in(const test::TemporaryDirectory& directory) {
  TrackerOptions options;
  options.output_dir = directory.path();
  return options;
}

TEST(TrackerRegistry, MakesNoneOneOrAll) {
  const test::TemporaryDirectory directory;
  const TrackerOptions options = options_in(directory);
  EXPECT_EQ(make_trackers("none", options).size(), 0u);
  EXPECT_EQ(make_trackers("all", options).size(), tracker_names().size());
  for (const std::string& name : tracker_names()) {
    EXPECT_EQ(make_trackers(name, options).size(), 1u) << name;
  }
}

TEST(TrackerRegistry, LeavesOutADisabledTracker) {
  const test::TemporaryDirectory directory;
  ::setenv("WANDB_MODE", "disabled", 1);
  EXPECT_EQ(make_trackers("wandb", options_in(directory)).size(), 0u);
  ::unsetenv("WANDB_MODE");
}

}  // namespace
}  // namespace sdxl
