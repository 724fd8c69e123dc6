// What a run writes, beside what its disk holds.
#include "commands/train/disk_space.h"

#include "support/expect_error.h"

namespace sdxl {
namespace {

constexpr ResultSize kSize = {1000, 4, 500};

DiskNeeds needs(void (*change)(TrainConfig&), int64_t first_step = 0) {
  TrainConfig config(TrainKind::kFull);
  config.checkpointing_steps = 10;
  change(config);
  return disk_needs(config, {/*steps_per_epoch=*/5, /*max_steps=*/35}, first_step, kSize);
}

TEST(DiskNeeds, AreTheResultAndEveryCheckpointToCome) {
  const DiskNeeds all = needs([](TrainConfig&) {});
  EXPECT_EQ(all.result, 4500u);       // trained weights and the frozen parts
  EXPECT_EQ(all.checkpoint, 12000u);  // weights and AdamW's two moments
  EXPECT_EQ(all.checkpoints, 3);
  EXPECT_EQ(all.all(), 4500u + 3 * 12000u);
  EXPECT_EQ(needs([](TrainConfig&) {}, /*first_step=*/20).checkpoints, 1);
}

TEST(DiskNeeds, HoldOneMoreThanTheLimitWhileANewCheckpointIsWritten) {
  EXPECT_EQ(needs([](TrainConfig& c) { c.checkpoints_total_limit = 1; }).checkpoints, 2);
}

TEST(DiskNeeds, CountTheMovingAverageAndTheOptimizer) {
  const auto with_average = [](TrainConfig& c) { c.use_ema = true; };
  EXPECT_EQ(needs(with_average).checkpoint, 16000u);
  EXPECT_EQ(needs(with_average).checkpoints, 4);  // the last step's holds the weights
  EXPECT_EQ(needs([](TrainConfig& c) { c.optimizer = "lion"; }).checkpoint, 8000u);
}

TEST(RequireRoom, RefusesADiskWithoutRoomForTheResultAndOneCheckpoint) {
  const DiskNeeds wanted{/*result=*/4096, /*checkpoint=*/2048, /*checkpoints=*/3};
  EXPECT_SDXL_ERROR(require_room(wanted, "out", 6143), ExitStatus::kFileError,
                    "the result takes 4.0 KiB, 3 checkpoints of 2.0 KiB to come, and 6.0 KiB");
  EXPECT_NO_THROW(require_room(wanted, "out", 6144));
  EXPECT_NO_THROW(require_room(wanted, "out", std::nullopt));
}

}  // namespace
}  // namespace sdxl
