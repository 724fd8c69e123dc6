// Steps that end with each pass over the data.
#include "data/epoch_plan.h"

#include <gmock/gmock.h>

namespace sdxl {
namespace {

using ::testing::ElementsAre;

TEST(EpochPlan, EndsEachEpochWithASmallerStep) {
  const EpochPlan plan(/*samples=*/7, /*batch_size=*/4, /*ranks=*/1, /*accumulation=*/1);
  EXPECT_THAT(plan.micro_batch(0, 0).draws, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(plan.micro_batch(1, 0).draws, ElementsAre(4, 5, 6));
  EXPECT_THAT(plan.micro_batch(2, 0).draws, ElementsAre(7, 8, 9, 10));
  EXPECT_EQ(plan.micro_batch(1, 0).weight, 1.0);
  EXPECT_EQ(plan.draws_before(4), 14);
}

TEST(EpochPlan, MayTakeAWholeEpochInOneStep) {
  const EpochPlan plan(7, 16, 1, 1);
  EXPECT_THAT(plan.micro_batch(1, 0).draws, ElementsAre(7, 8, 9, 10, 11, 12, 13));
}

TEST(EpochPlan, WeighsMicroBatchesByTheirSamples) {
  const EpochPlan plan(/*samples=*/5, /*batch_size=*/2, /*ranks=*/1, /*accumulation=*/4);
  EXPECT_EQ(plan.micro_batch(0, 0).weight, 0.4);
  EXPECT_THAT(plan.micro_batch(2, 0).draws, ElementsAre(4));
  EXPECT_EQ(plan.micro_batch(2, 0).weight, 0.2);
}

TEST(EpochPlan, FillsWhatARankLacks) {
  const EpochPlan plan(/*samples=*/5, /*batch_size=*/2, /*ranks=*/2, /*accumulation=*/2);
  EXPECT_THAT(plan.micro_batch(1, 0).draws, ElementsAre(4));
  const MicroBatch filler = plan.micro_batch(1, 1);
  EXPECT_THAT(filler.draws, ElementsAre(4));
  EXPECT_EQ(filler.weight, 0);
}

TEST(EpochPlan, GoesOnAfterTheDrawsThatAreDone) {
  const EpochPlan plan(/*samples=*/7, /*batch_size=*/2, /*ranks=*/1, /*accumulation=*/2);
  for (int64_t steps = 0; steps < 6; ++steps) {
    EXPECT_EQ(plan.micro_batches_before(plan.draws_before(steps)), steps * 2) << steps;
  }
}

}  // namespace
}  // namespace sdxl
