#include "training/run/run_files.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

TEST(RunFiles, ParsesTheNamesOfCheckpoints) {
  for (const int64_t step : {int64_t{0}, int64_t{500}, int64_t{1} << 60}) {
    EXPECT_EQ(checkpoint_step(checkpoint_name(step)), step);
  }
  EXPECT_EQ(checkpoint_name(500), "checkpoint-500");
}

TEST(RunFiles, TakesNoOtherNameForACheckpoint) {
  for (const char* name : {"checkpoint-", "checkpoint--1", "checkpoint-1a", "checkpoint-1.5",
                           "checkpoint-99999999999999999999", "checkpoint", "unet", ""}) {
    EXPECT_FALSE(checkpoint_step(name)) << name;
  }
  EXPECT_FALSE(checkpoint_step(doomed_name(checkpoint_name(5))));
  EXPECT_TRUE(is_doomed_name(doomed_name(checkpoint_name(5))));
}

TEST(RunFiles, NamesPicturesByIndexAndSeed) {
  EXPECT_EQ(picture_name(7, 18446744073709551615u), "00007_18446744073709551615.png");
  EXPECT_EQ(step_pictures(20), "validation/step-20");
}

}  // namespace
}  // namespace sdxl
