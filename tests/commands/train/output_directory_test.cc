// What a run does with an --output_dir that holds something already.
#include <gmock/gmock.h>

#include "base/atomic_files.h"
#include "base/files.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using ::testing::HasSubstr;

class RunDirectoryTest : public ::testing::Test {
 protected:
  ProcessResult train(const fs::path& output, std::vector<std::string> flags = {}) {
    std::vector<std::string> words = {SDXL_BINARY,
                                      "train-lora",
                                      "--pretrained_model_name_or_path=" + test::kTinyModel,
                                      "--train_data_dir=" + test::kPictures,
                                      "--resolution=32",
                                      "--num_threads=1",
                                      "--train_batch_size=1",
                                      "--seed=4",
                                      "--max_train_steps=2",
                                      "--checkpointing_steps=1",
                                      "--output_dir=" + output.string()};
    words.insert(words.end(), flags.begin(), flags.end());
    return test::run_process(words);
  }
  fs::path at(const std::string& name) const { return directory_.path() / name; }

  test::TemporaryDirectory directory_;
};

TEST_F(RunDirectoryTest, DiscardsARunOnlyWhenAnotherBegins) {
  ASSERT_EQ(train(at("run"), {"--save_kohya"}).status, 0);
  EXPECT_EQ(train(at("run"), {"--overwrite_output_dir", "--dry_run"}).status, 0);
  EXPECT_EQ(train(at("run"), {"--overwrite_output_dir", "--caption_column=none"}).status, 65);
  EXPECT_TRUE(fs::exists(at("run") / "checkpoint-2"));
  EXPECT_TRUE(fs::exists(at("run") / "pytorch_lora_weights.safetensors"));

  ASSERT_EQ(train(at("run"), {"--overwrite_output_dir", "--max_train_steps=1"}).status, 0);
  EXPECT_FALSE(fs::exists(at("run") / "checkpoint-2"));
  EXPECT_FALSE(fs::exists(at("run") / "kohya_lora_weights.safetensors"));
}

TEST_F(RunDirectoryTest, DiscardsNoLogsThatLieElsewhere) {
  write_file_atomically(directory_.path() / "precious", "not ours");
  fs::create_directories(at("logs"));
  write_file_atomically(at("logs") / "precious", "not ours");
  for (const std::string& logs : {std::string(".."), at("logs").string(), std::string(".")}) {
    const ProcessResult result =
        train(at("run"), {"--overwrite_output_dir", "--logging_dir=" + logs});
    EXPECT_EQ(result.status, 0) << result.error;
  }
  EXPECT_TRUE(fs::exists(directory_.path() / "precious"));
  EXPECT_TRUE(fs::exists(at("logs") / "precious"));
}

TEST_F(RunDirectoryTest, DiscardsNothingWhereThereWasNoRun) {
  fs::create_directories(at("project/validation"));
  write_file_atomically(at("project/validation") / "precious", "not ours");
  EXPECT_EQ(train(at("project"), {"--overwrite_output_dir"}).status, 0);
  EXPECT_TRUE(fs::exists(at("project/validation") / "precious"));
}

TEST_F(RunDirectoryTest, IsNoInputOfTheRun) {
  fs::copy(test::kTinyModel, at("model"), fs::copy_options::recursive);
  const std::string model = at("model").string();
  ProcessResult result =
      train(model, {"--pretrained_model_name_or_path=" + model, "--overwrite_output_dir"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("holds the input --pretrained_model_name_or_path"));
  EXPECT_TRUE(fs::exists(at("model") / "model_index.json"));

  ASSERT_EQ(train(at("run")).status, 0);
  result = train(at("run"), {"--overwrite_output_dir",
                             "--lora_weights=" + (at("run") / "checkpoint-1").string()});
  EXPECT_THAT(result.error, HasSubstr("holds the input --lora_weights"));
  EXPECT_TRUE(fs::exists(at("run") / "checkpoint-1"));
}

TEST_F(RunDirectoryTest, IsNotTakenOverByTheCheckpointOfAnotherRun) {
  ASSERT_EQ(train(at("one")).status, 0);
  ASSERT_EQ(train(at("two")).status, 0);
  const std::string checkpoint = (at("one") / "checkpoint-1").string();
  const ProcessResult result = train(at("two"), {"--resume_from_checkpoint=" + checkpoint});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("belongs to another"));
  EXPECT_EQ(train(at("three"), {"--resume_from_checkpoint=" + checkpoint}).status, 0);
}

TEST_F(RunDirectoryTest, TellsOfADataSetThatChanged) {
  fs::copy(test::kPictures, at("pictures"), fs::copy_options::recursive);
  const std::string data = "--train_data_dir=" + at("pictures").string();
  ASSERT_EQ(train(at("run"), {data, "--max_train_steps=1"}).status, 0);
  std::string rows = read_file(at("pictures") / "metadata.jsonl");
  rows.resize(rows.rfind('\n', rows.size() - 2) + 1);  // without the last
  write_file_atomically(at("pictures") / "metadata.jsonl", rows);
  const ProcessResult result = train(at("run"), {data, "--resume_from_checkpoint=latest"});
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("the data set had 7 samples and has 6"));
}

TEST_F(RunDirectoryTest, ResumesNoCheckpointPastTheEnd) {
  ASSERT_EQ(train(at("run")).status, 0);
  EXPECT_EQ(train(at("run"), {"--resume_from_checkpoint=latest"}).status, 0);
  const ProcessResult result =
      train(at("run"), {"--resume_from_checkpoint=latest", "--max_train_steps=1"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("has done 2 steps and this run ends at 1"));
}

TEST_F(RunDirectoryTest, ResumesNoDamagedCheckpoint) {
  ASSERT_EQ(train(at("run")).status, 0);
  const fs::path states = at("run") / "checkpoint-2/optimizer.safetensors";
  std::string bytes = read_file(states);
  bytes[bytes.size() - 5] ^= 0x40;  // of the same size
  write_file_atomically(states, bytes);
  const std::vector<std::string> flags = {"--max_train_steps=3", "--resume_from_checkpoint=latest"};
  const ProcessResult result = train(at("run"), flags);
  EXPECT_EQ(result.status, 65);
  EXPECT_THAT(result.error, HasSubstr("optimizer.safetensors"));
  EXPECT_EQ(train(at("run"), {flags[0], "--resume_from_checkpoint=checkpoint-1"}).status, 0);
}

}  // namespace
}  // namespace sdxl
