// Which checkpoints pruning keeps.
#include "training/run/checkpoint.h"

#include <gmock/gmock.h>

#include "base/files/atomic_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

std::vector<int64_t> steps(const CheckpointStore& store) {
  std::vector<int64_t> steps;
  for (const Checkpoint& checkpoint : store.list()) steps.push_back(checkpoint.step);
  return steps;
}

void save(CheckpointStore& store, int64_t step) {
  store.save(step, 0, [](const fs::path& directory) {
    write_file_atomically(directory / "weights", "numbers");
  });
}

TEST(CheckpointStore, KeepsTheLatestAndTheProtectedOne) {
  const test::TemporaryDirectory directory;
  CheckpointStore store(directory.path(), 2);
  store.protect(1);
  for (const int64_t step : {1, 2, 3, 4}) save(store, step);
  EXPECT_THAT(steps(store), testing::ElementsAre(1, 3, 4));
}

TEST(CheckpointStore, KeepsTheNewestAfterARunWentBackToAnEarlierStep) {
  const test::TemporaryDirectory directory;
  CheckpointStore earlier(directory.path(), std::nullopt);
  for (const int64_t step : {5, 10, 15}) save(earlier, step);
  CheckpointStore store(directory.path(), 1);
  save(store, 8);
  EXPECT_THAT(steps(store), testing::ElementsAre(8));
}

}  // namespace
}  // namespace sdxl
