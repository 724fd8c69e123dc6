// sdxl cache: filling without training, size, damage, pruning.
#include <gmock/gmock.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"
#include "support/process.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

class CacheCommand : public ::testing::Test {
 protected:
  ProcessResult run(const std::string& command, std::vector<std::string> flags) {
    std::vector<std::string> words = split(SDXL_BINARY " " + command, ' ');
    words.push_back("--embedding_cache_dir=" + directory_.path().string());
    words.insert(words.end(), flags.begin(), flags.end());
    return test::run_process(words);
  }
  std::vector<std::string> data() const {
    return {"--pretrained_model_name_or_path=" SDXL_TEST_DATA "/tiny-sdxl",
            "--train_data_dir=" SDXL_TEST_DATA "/training/pictures", "--resolution=32", "--seed=3",
            "--num_threads=1"};
  }
  TemporaryDirectory directory_, output_;
};

TEST_F(CacheCommand, FillLeavesNothingForTheRun) {
  ASSERT_EQ(run("cache fill", data()).status, 0);
  std::vector<std::string> flags = data();
  flags.insert(flags.end(), {"--max_train_steps=1", "--train_batch_size=1", "--report_to=none",
                             "--output_dir=" + (output_ / "run").string()});
  const ProcessResult result = run("train-full", flags);
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, HasSubstr("prompts: 8 wanted, 0 encoded now"));
  EXPECT_THAT(result.error, HasSubstr("latents: 7 wanted, 0 encoded now"));
}

TEST_F(CacheCommand, FillNeedsTheSeedOfRandomCrops) {
  std::vector<std::string> flags = data();
  std::erase(flags, "--seed=3");
  const ProcessResult result = run("cache fill", flags);
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("--seed is missing"));
}

TEST_F(CacheCommand, CheckFindsDamage) {
  ASSERT_EQ(run("cache fill", data()).status, 0);
  const ProcessResult sound = run("cache check", {});
  EXPECT_EQ(sound.status, 0) << sound.error;
  EXPECT_THAT(sound.output, HasSubstr("7 values  0 damaged"));
  for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
    if (entry.path().extension() != ".data") continue;
    if (entry.path().string().find("latents-") == std::string::npos) continue;
    std::string bytes = read_file(entry.path());
    bytes[200] ^= 1;
    write_file_atomically(entry.path(), bytes);
  }
  const ProcessResult damaged = run("cache check", {});
  EXPECT_EQ(damaged.status, 65);
  EXPECT_THAT(damaged.error, HasSubstr("1 value is damaged"));
  EXPECT_THAT(run("cache fill", data()).error, HasSubstr("latents: 7 wanted, 1 encoded now"));
}

TEST_F(CacheCommand, PruneRemovesWhatIsUnused) {
  ASSERT_EQ(run("cache fill", data()).status, 0);
  EXPECT_EQ(run("cache prune", {}).output, "");  // all of it is of today
  EXPECT_THAT(run("cache prune", {"--unused_days=0", "--dry_run"}).output, HasSubstr("latents-"));
  EXPECT_THAT(run("cache list", {}).output, HasSubstr("moments of the VAE"));
  EXPECT_EQ(run("cache prune", {"--unused_days=0"}).status, 0);
  EXPECT_THAT(run("cache list", {}).output, ::testing::Not(HasSubstr("latents-")));
}

TEST_F(CacheCommand, AnUnknownActionIsRefused) {
  const ProcessResult result = run("cache polish", {});
  EXPECT_EQ(result.status, 2);
  EXPECT_THAT(result.error, HasSubstr("'polish'"));
}

}  // namespace
}  // namespace sdxl
