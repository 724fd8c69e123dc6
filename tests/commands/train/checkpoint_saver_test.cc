// Where checkpoints go when their disk fails.
#include "commands/train/checkpoint_saver.h"

#include "base/files/atomic_files.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

constexpr uint64_t kTooMuch = uint64_t{1} << 60;

void write_nothing(const fs::path& directory) { write_file_atomically(directory / "state", "x"); }

class CheckpointSaverTest : public testing::Test {
 protected:
  CheckpointSaverTest() { fs::create_directories(directory_ / "run"); }

  test::TemporaryDirectory directory_;
  CheckpointStore store_{directory_ / "run", std::nullopt};
};

TEST_F(CheckpointSaverTest, SavesIntoTheRescueDirectoryWhenTheOutputDirectoryFails) {
  write_file_atomically(directory_ / "file", "in the way");
  CheckpointStore failing(directory_ / "file", std::nullopt);
  EXPECT_SDXL_ERROR(CheckpointSaver(failing, std::nullopt).save(3, 1, write_nothing),
                    ExitStatus::kFileError, "file");
  CheckpointSaver saver(failing, directory_ / "rescue");
  EXPECT_EQ(saver.save(3, 1, write_nothing), directory_ / "rescue/checkpoint-3");
  EXPECT_TRUE(is_complete_checkpoint(directory_ / "rescue/checkpoint-3"));
}

TEST_F(CheckpointSaverTest, PassesOnOtherErrors) {
  CheckpointSaver saver(store_, directory_ / "rescue");
  const auto fail = [](const fs::path&) { throw Error(ExitStatus::kBadNumbers, "not a number"); };
  EXPECT_SDXL_ERROR(saver.save(3, 1, fail), ExitStatus::kBadNumbers, "not a number");
  EXPECT_FALSE(fs::exists(directory_ / "rescue"));
}

TEST_F(CheckpointSaverTest, KeepsCheckpointsThatWouldNotMakeEnoughRoom) {
  store_.save(1, 1, write_nothing);
  CheckpointSaver saver(store_, std::nullopt);
  EXPECT_SDXL_ERROR(saver.save_at_any_cost(2, kTooMuch, write_nothing), ExitStatus::kFileError,
                    "needed");
  EXPECT_TRUE(is_complete_checkpoint(directory_ / "run/checkpoint-1"));
}

}  // namespace
}  // namespace sdxl
