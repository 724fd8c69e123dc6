// What a run does with an --output_dir that holds something already.
#include <gmock/gmock.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
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

TEST_F(RunDirectoryTest, ResumesOnOtherDataOnlyWhenToldTo) {
  fs::copy(test::kPictures, at("pictures"), fs::copy_options::recursive);
  const std::string data = "--train_data_dir=" + at("pictures").string();
  ASSERT_EQ(train(at("run"), {data, "--max_train_steps=1"}).status, 0);
  std::string rows = read_file(at("pictures") / "metadata.jsonl");
  rows.resize(rows.rfind('\n', rows.size() - 2) + 1);  // without the last
  write_file_atomically(at("pictures") / "metadata.jsonl", rows);
  const std::vector<std::string> flags = {data, "--resume_from_checkpoint=latest"};
  ProcessResult result = train(at("run"), flags);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("the data set had 7 samples and has 6"));
  result = train(at("run"), {flags[0], flags[1], "--allow_other_data"});
  EXPECT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("the data set had 7 samples and has 6"));
}

TEST_F(RunDirectoryTest, ResumesOnTheSameDataAndModelElsewhere) {
  fs::copy(test::kPictures, at("pictures"), fs::copy_options::recursive);
  fs::copy(test::kTinyModel, at("model"), fs::copy_options::recursive);
  ASSERT_EQ(train(at("run"), {"--max_train_steps=1"}).status, 0);
  const ProcessResult result =
      train(at("run"),
            {"--resume_from_checkpoint=latest", "--train_data_dir=" + at("pictures").string() + "/",
             "--pretrained_model_name_or_path=" + at("model").string()});
  EXPECT_EQ(result.status, 0) << result.error;
}

TEST_F(RunDirectoryTest, ResumesOnNoOtherPicturesUnderTheSameNames) {
  fs::copy(test::kPictures, at("pictures"), fs::copy_options::recursive);
  const std::string data = "--train_data_dir=" + at("pictures").string();
  ASSERT_EQ(train(at("run"), {data, "--max_train_steps=1"}).status, 0);
  std::string rows = read_file(at("pictures") / "metadata.jsonl");
  rows.replace(rows.find("\"text\": \"") + 9, 0, "another ");
  write_file_atomically(at("pictures") / "metadata.jsonl", rows);
  const ProcessResult result = train(at("run"), {data, "--resume_from_checkpoint=latest"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("other pictures or captions"));
}

TEST_F(RunDirectoryTest, ResumesOnNoOtherModelUnderTheSamePath) {
  fs::copy(test::kTinyModel, at("model"), fs::copy_options::recursive);
  const std::string model = "--pretrained_model_name_or_path=" + at("model").string();
  ASSERT_EQ(train(at("run"), {model, "--max_train_steps=1"}).status, 0);
  const fs::path weights = at("model/unet/diffusion_pytorch_model.safetensors");
  std::string bytes = read_file(weights);
  bytes.back() ^= 1;
  write_file_atomically(weights, bytes);
  const ProcessResult result = train(at("run"), {model, "--resume_from_checkpoint=latest"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("unet has other weights"));
}

TEST_F(RunDirectoryTest, ResumesNoCheckpointPastTheEnd) {
  ASSERT_EQ(train(at("run")).status, 0);
  ProcessResult result = train(at("run"), {"--resume_from_checkpoint=latest"});
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.error, HasSubstr("on 7 pictures: all 2 steps are done"));
  result = train(at("run"), {"--resume_from_checkpoint=latest", "--max_train_steps=1"});
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

/// A checkpoint as accelerate leaves one for diffusers' scripts, with the weights of `ours`.
void make_accelerate_checkpoint(const fs::path& checkpoint, const fs::path& ours) {
  fs::create_directories(checkpoint);
  for (const char* name : {"unet", "pytorch_lora_weights.safetensors"}) {
    if (fs::exists(ours / name)) {
      fs::copy(ours / name, checkpoint / name, fs::copy_options::recursive);
    }
  }
  for (const char* name : {"optimizer.bin", "scheduler.bin", "random_states_0.pkl"}) {
    write_file_atomically(checkpoint / name, "a pickle");
  }
}

TEST_F(RunDirectoryTest, KeepsTheCheckpointOfAnotherProgram) {
  for (const char* flag :
       {"--resume_from_checkpoint=latest", "--overwrite_output_dir", "--seed=4"}) {
    fs::create_directories(at("run/checkpoint-2"));
    write_file_atomically(at("run/checkpoint-2") / "optimizer.bin", "theirs");
    const ProcessResult result = train(at("run"), {flag});
    EXPECT_EQ(result.status, 2) << flag;
    EXPECT_THAT(result.error, HasSubstr("holds checkpoint-2, which sdxl did not write")) << flag;
    EXPECT_EQ(read_file(at("run/checkpoint-2/optimizer.bin")), "theirs");
  }
}

TEST_F(RunDirectoryTest, KeepsACheckpointThatCameAfterItsRun) {
  ASSERT_EQ(train(at("run")).status, 0);
  make_accelerate_checkpoint(at("run/checkpoint-3"), at("run/checkpoint-2"));
  for (const char* flag : {"--resume_from_checkpoint=latest", "--overwrite_output_dir"}) {
    EXPECT_EQ(train(at("run"), {flag, "--max_train_steps=3"}).status, 2) << flag;
    EXPECT_TRUE(fs::exists(at("run/checkpoint-3/optimizer.bin")));
    EXPECT_TRUE(fs::exists(at("run/checkpoint-2")));
  }
}

TEST_F(RunDirectoryTest, KeepsTheFoldersOfAnotherModel) {
  fs::create_directories(at("run/unet"));
  write_file_atomically(at("run/unet") / "mine.txt", "mine");
  const ProcessResult result = test::run_process(
      {SDXL_BINARY, "train-full", "--pretrained_model_name_or_path=" + test::kTinyModel,
       "--train_data_dir=" + test::kPictures, "--resolution=32", "--max_train_steps=1",
       "--output_dir=" + at("run").string()});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("holds unet, which sdxl did not write"));
  EXPECT_EQ(read_file(at("run/unet/mine.txt")), "mine");
}

TEST_F(RunDirectoryTest, KeepsFilesBesideItsPicturesAndLogs) {
  const std::vector<std::string> flags = {"--validation_prompt=a cat", "--overwrite_output_dir"};
  ASSERT_EQ(train(at("run"), flags).status, 0);
  write_file_atomically(at("run/logs") / "train.log", "mine");
  write_file_atomically(at("run/validation") / "notes.txt", "mine");
  ASSERT_EQ(train(at("run"), {"--overwrite_output_dir"}).status, 0);
  EXPECT_FALSE(fs::exists(at("run/validation/test")));
  EXPECT_EQ(read_file(at("run/logs/train.log")), "mine");
  EXPECT_EQ(read_file(at("run/validation/notes.txt")), "mine");
}

TEST_F(RunDirectoryTest, KeepsTheReadmeOfItsOwner) {
  fs::create_directories(at("run"));
  write_file_atomically(at("run") / "README.md", "mine");
  ASSERT_EQ(train(at("run")).status, 0);
  ASSERT_EQ(train(at("run"), {"--overwrite_output_dir"}).status, 0);
  EXPECT_EQ(read_file(at("run/README.md")), "mine");
}

TEST_F(RunDirectoryTest, KnowsTheFilesOfAnOlderVersion) {
  ASSERT_EQ(train(at("run")).status, 0);
  fs::remove(at("run/.sdxl-files.json"));
  EXPECT_EQ(train(at("run"), {"--resume_from_checkpoint=latest", "--max_train_steps=3"}).status, 0);
}

TEST_F(RunDirectoryTest, GoesOnFromTheWeightsOfDiffusersCheckpoint) {
  ASSERT_EQ(train(at("run")).status, 0);
  make_accelerate_checkpoint(at("theirs/checkpoint-2"), at("run/checkpoint-2"));
  const ProcessResult result = train(
      at("next"),
      {"--resume_from_checkpoint=" + at("theirs/checkpoint-2").string(), "--max_train_steps=3"});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("is a checkpoint of diffusers' script"));
  const std::vector<Json> lines = test::metrics(at("next"));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0].at("step"), 3);
}

TEST_F(RunDirectoryTest, IsNotMadeByADryRun) {
  EXPECT_EQ(train(at("run"), {"--dry_run"}).status, 0);
  EXPECT_FALSE(fs::exists(at("run")));
}

TEST_F(RunDirectoryTest, MayHoldItsDataInAFolderThatTheRunDoesNotWrite) {
  fs::create_directories(at("run"));
  fs::copy(test::kPictures, at("run/data"), fs::copy_options::recursive);
  fs::copy(test::kPictures, at("run/validation"), fs::copy_options::recursive);
  EXPECT_EQ(train(at("run"), {"--train_data_dir=" + at("run/data").string()}).status, 0);
  const ProcessResult result = train(
      at("run"), {"--train_data_dir=" + at("run/validation").string(), "--overwrite_output_dir"});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("holds the input --train_data_dir"));
}

}  // namespace
}  // namespace sdxl
