// The loader: order, ranks, failures, stop requests.
#include "data/loader.h"

#include <gmock/gmock.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "base/stop.h"
#include "data/data_test_files.h"

namespace sdxl {
namespace {

using ::testing::ElementsAre;

Sample numbered(int64_t draw) {
  std::this_thread::sleep_for(std::chrono::microseconds(draw * 7919 % 400));
  Sample sample;
  sample.draw = draw;
  sample.row = draw % 10;
  sample.caption = std::to_string(draw);
  sample.time_ids = at::full({6}, static_cast<double>(draw), at::kFloat);
  return sample;
}

TEST(Loader, BatchesComeInOrderWhateverTheNumberOfWorkers) {
  for (const int workers : {0, 1, 4}) {
    Loader loader(numbered, {3, 1, 0}, 5, workers);
    for (int64_t micro = 5; micro < 40; ++micro) {
      const Batch batch = loader.next().value();
      EXPECT_THAT(batch.draws, ElementsAre(3 * micro, 3 * micro + 1, 3 * micro + 2));
      EXPECT_EQ(batch.captions[1], std::to_string(3 * micro + 1));
      EXPECT_EQ(batch.time_ids[2][0].item<float>(), static_cast<float>(3 * micro + 2));
    }
  }
}

TEST(Loader, RanksShareTheMicroBatch) {
  Loader loader(numbered, {2, 4, 3}, 1, 2);
  EXPECT_THAT(loader.next()->draws, ElementsAre(14, 15));
  EXPECT_THAT(loader.next()->draws, ElementsAre(22, 23));
}

TEST(Loader, BatchesOfOtherDrawsEndWithAnEmptyOne) {
  const std::vector<std::vector<int64_t>> batches = {{7}, {3, 1, 2}, {9, 8}};
  for (const int workers : {0, 2}) {
    Loader loader(
        numbered,
        [&](int64_t micro) {
          return micro < std::ssize(batches) ? batches[micro] : std::vector<int64_t>{};
        },
        workers);
    for (const std::vector<int64_t>& draws : batches) EXPECT_EQ(loader.next()->draws, draws);
    EXPECT_FALSE(loader.next());
    EXPECT_FALSE(loader.next());
  }
}

TEST(Loader, FailuresAreThrownInTheirTurn) {
  for (const int workers : {0, 3}) {
    Loader loader(
        [](int64_t draw) {
          if (draw >= 6) throw Error(ExitStatus::kBadData, "draw " + std::to_string(draw));
          return numbered(draw);
        },
        {2, 1, 0}, 0, workers);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(loader.next());
    EXPECT_EQ(test::error_message([&] { loader.next(); }), "draw 6");
  }
}

TEST(Loader, StopRequestEndsTheWait) {
  std::atomic<bool> release{false};
  Loader loader(
      [&](int64_t draw) {
        while (!release) std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return numbered(draw);
      },
      {1, 1, 0}, 0, 2);
  request_stop(15);
  EXPECT_FALSE(loader.next());
  request_stop(0);
  release = true;
  EXPECT_THAT(loader.next()->draws, ElementsAre(0));
}

TEST(Loader, KeepsOnlyAFewBatchesAhead) {
  std::atomic<int64_t> furthest{0};
  Loader loader(
      [&](int64_t draw) {
        int64_t seen = furthest;
        while (draw > seen && !furthest.compare_exchange_weak(seen, draw)) {
        }
        return numbered(draw);
      },
      {4, 1, 0}, 0, 2);
  loader.next();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_LT(furthest, 16);
}

TEST(Loader, StacksTensorsThatSamplesHave) {
  Sample sample = numbered(1);
  sample.pixels = Image{1, 2, {0, 255, 51, 255, 0, 0}};
  sample.moments = at::ones({8, 2, 2}, at::kHalf);
  const Batch batch = collate({sample, sample});
  EXPECT_EQ(batch.pixels.sizes(), (std::vector<int64_t>{2, 3, 1, 2}));
  EXPECT_EQ(batch.pixels[1][1][0][0].item<float>(), 1.0f);
  EXPECT_EQ(batch.moments.sizes(), (std::vector<int64_t>{2, 8, 2, 2}));
  EXPECT_EQ(batch.moments.scalar_type(), at::kHalf);
  EXPECT_FALSE(batch.embeds.prompt_embeds.defined());
}

}  // namespace
}  // namespace sdxl
