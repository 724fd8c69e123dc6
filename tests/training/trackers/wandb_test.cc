// Which run a resumed Weights & Biases tracker continues.
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "support/temporary_directory.h"
#include "training/trackers/registry.h"

namespace sdxl {
namespace {

TEST(Wandb, ContinuesTheRunOfTheDirectoryWhoseIdHasDashes) {
  const test::TemporaryDirectory directory;
  ::unsetenv("WANDB_DIR");
  TrackerOptions options;
  options.output_dir = directory.path();
  ::setenv("WANDB_RUN_ID", "my-run", 1);
  make_trackers("wandb", options);
  ::unsetenv("WANDB_RUN_ID");
  options.resume_step = 3;
  make_trackers("wandb", options);  // in the same second
  std::set<std::string> runs;
  for (const auto& entry : std::filesystem::directory_iterator(directory.path() / "logs/wandb")) {
    runs.insert(entry.path().filename().string());
  }
  EXPECT_EQ(runs.size(), 2u);
  for (const std::string& run : runs) EXPECT_TRUE(run.ends_with("-my-run")) << run;
}

}  // namespace
}  // namespace sdxl
