// Training from the caches: the same as encoding at every step, once encoded never again.
#include <gmock/gmock.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kPictures;
using test::kTinyModel;
using test::ProcessResult;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

class CachedTraining : public ::testing::Test {
 protected:
  ProcessResult run(const std::string& command, const std::string& output,
                    std::vector<std::string> flags) {
    std::vector<std::string> words = {SDXL_BINARY,
                                      command,
                                      "--pretrained_model_name_or_path=" + kTinyModel,
                                      "--train_data_dir=" + kPictures,
                                      "--embedding_cache_dir=" + cache().string(),
                                      "--resolution=32",
                                      "--num_threads=1",
                                      "--seed=4",
                                      "--random_flip",
                                      "--proportion_empty_prompts=0.3",
                                      "--train_batch_size=2",
                                      "--max_train_steps=8",
                                      "--report_to=none",
                                      "--output_dir=" + (directory_.path() / output).string()};
    words.insert(words.end(), flags.begin(), flags.end());
    return test::run_process(words);
  }
  std::vector<double> losses(const std::string& output) {
    return test::losses(directory_.path() / output);
  }
  void expect_near(const std::vector<double>& a, const std::vector<double>& b, double tolerance) {
    ASSERT_EQ(a.size(), b.size());
    for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], tolerance * b[i]) << i;
  }
  fs::path cache() const { return directory_.path() / "cache"; }

  TemporaryDirectory directory_;
};

TEST_F(CachedTraining, LossesAreThoseOfEncodingAtEveryStep) {
  for (const std::string command : {"train-full", "train-lora"}) {
    ASSERT_EQ(run(command, command + "-cached", {"--center_crop"}).status, 0);
    ASSERT_EQ(run(command, command, {"--center_crop", "--no_cache_latents"}).status, 0);
    expect_near(losses(command + "-cached"), losses(command), 1e-5);
  }
}

TEST_F(CachedTraining, ValuesInBf16AreNear) {
  ASSERT_EQ(run("train-full", "bf16", {"--center_crop", "--cache_dtype=bf16"}).status, 0);
  ASSERT_EQ(run("train-full", "plain", {"--center_crop", "--no_cache_latents"}).status, 0);
  expect_near(losses("bf16"), losses("plain"), 2e-2);
}

TEST_F(CachedTraining, NothingIsEncodedTwice) {
  const ProcessResult first = run("train-full", "first", {"--cache_crops=2"});
  ASSERT_EQ(first.status, 0) << first.error;
  EXPECT_THAT(first.error,
              HasSubstr("latents: 28 wanted, 24 encoded now"));  // Two pictures are square.
  const ProcessResult second =
      run("train-full", "second", {"--cache_crops=2", "--learning_rate=1e-5"});
  EXPECT_THAT(second.error, HasSubstr("latents: 28 wanted, 0 encoded now"));
  EXPECT_THAT(second.error, HasSubstr("prompts: 8 wanted, 0 encoded now"));
  EXPECT_EQ(losses("first").front(), losses("second").front());
}

TEST_F(CachedTraining, AnotherResolutionIsEncodedAgain) {
  ASSERT_EQ(run("train-full", "first", {}).status, 0);
  const ProcessResult second = run("train-full", "second", {"--resolution=48"});
  EXPECT_THAT(second.error, HasSubstr("latents: 14 wanted, 14 encoded now"));
}

TEST_F(CachedTraining, EncodersThatTrainTakeCachedPicturesAlone) {
  const ProcessResult result = run("train-lora", "out", {"--train_text_encoder"});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("latents: 14 wanted"));
  EXPECT_THAT(result.error, ::testing::Not(HasSubstr("prompts: ")));
}

TEST_F(CachedTraining, BucketsTrainOnTheirOwnShapes) {
  ASSERT_EQ(run("train-full", "cached", {"--bucketing", "--center_crop"}).status, 0);
  ASSERT_EQ(
      run("train-full", "plain", {"--bucketing", "--center_crop", "--no_cache_latents"}).status, 0);
  expect_near(losses("cached"), losses("plain"), 1e-5);
}

TEST_F(CachedTraining, DamageIsToldAndMadeAgain) {
  ASSERT_EQ(run("train-full", "first", {}).status, 0);
  for (const auto& entry : fs::recursive_directory_iterator(cache())) {
    if (entry.path().extension() != ".data" ||
        entry.path().string().find("latents-") == std::string::npos)
      continue;
    std::string bytes = read_file(entry.path());
    for (size_t i = 200; i < bytes.size(); i += 50) bytes[i] ^= 1;
    write_file_atomically(entry.path(), bytes);
  }
  const ProcessResult damaged = run("train-full", "second", {"--dataloader_num_workers=2"});
  EXPECT_EQ(damaged.status, 65);
  EXPECT_THAT(damaged.error, HasSubstr("is damaged"));
}

}  // namespace
}  // namespace sdxl
