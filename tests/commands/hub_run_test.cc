// Training, drawing and downloading by the names of repositories, against a Hub of the test's own.
#include <gmock/gmock.h>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "hub/fake_hub.h"
#include "support/process.h"
#include "support/run_files.h"

namespace sdxl {
namespace {

using test::FakeHub;
using test::kPictures;
using test::kTinyModel;
using test::ProcessResult;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

/// One repository that is a pipeline, a VAE by itself and a data set.
FakeHub::Files everything() {
  FakeHub::Files files;
  for (const auto& entry : fs::recursive_directory_iterator(kTinyModel)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().lexically_relative(kTinyModel).string()] = read_file(entry.path());
  }
  for (const char* name : {"config.json", "diffusion_pytorch_model.safetensors"}) {
    files[name] = files.at(std::string("vae/") + name);
  }
  const std::string parquet = "data/train-00000-of-00001.parquet";
  files[parquet] = read_file(fs::path(SDXL_TEST_DATA "/parquet/pictures") / parquet);
  files["README.md"] =
      "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n"
      "    path: data/train-*\n---\n# All in one\n";
  return files;
}

class HubRun : public ::testing::Test {
 protected:
  ProcessResult run(std::vector<std::string> words, const std::string& offline = "0") {
    words.insert(words.begin(), SDXL_BINARY);
    return test::run_process(words, {.environment = {{"HF_ENDPOINT", hub_.server().url()},
                                                     {"HF_HOME", home()},
                                                     {"HF_HUB_OFFLINE", offline},
                                                     {"XDG_CACHE_HOME", directory_ / "cache"},
                                                     {"no_proxy", "127.0.0.1,localhost"}}});
  }
  ProcessResult train(const std::string& output, std::vector<std::string> more,
                      const std::string& offline = "0") {
    std::vector<std::string> words = {"train-full",
                                      "--resolution=32",
                                      "--seed=3",
                                      "--train_batch_size=2",
                                      "--max_train_steps=4",
                                      "--report_to=none",
                                      "--num_threads=1",
                                      "--output_dir=" + (directory_ / output).string()};
    words.insert(words.end(), more.begin(), more.end());
    return run(words, offline);
  }
  std::vector<std::string> by_name() const {
    return {"--pretrained_model_name_or_path=me/sdxl",
            "--pretrained_vae_model_name_or_path=me/sdxl", "--dataset_name=me/sdxl"};
  }
  std::vector<double> losses(const std::string& output) {
    return test::losses(directory_.path() / output);
  }
  std::string home() const { return (directory_ / "hf").string(); }

  TemporaryDirectory directory_;
  FakeHub hub_{everything()};
};

TEST_F(HubRun, TrainsAndDrawsByName) {
  const ProcessResult trained = train("named", by_name());
  ASSERT_EQ(trained.status, 0) << trained.error;
  ASSERT_EQ(train("local", {"--pretrained_model_name_or_path=" + kTinyModel,
                            "--train_data_dir=" + kPictures})
                .status,
            0);
  EXPECT_EQ(losses("named"), losses("local"));

  const std::vector<std::string> draw = {"infer",
                                         "--pretrained_model_name_or_path=me/sdxl",
                                         "--pretrained_vae_model_name_or_path=me/sdxl",
                                         "--unet=" + (directory_ / "named/unet").string(),
                                         "--prompt=a circle",
                                         "--seed=1",
                                         "--num_inference_steps=2",
                                         "--output=" + (directory_ / "a.png").string()};
  const ProcessResult drawn = run(draw, /*offline=*/"1");
  EXPECT_EQ(drawn.status, 0) << drawn.error;
  EXPECT_TRUE(fs::exists(directory_.path() / "a.png"));
}

TEST_F(HubRun, ASecondRunNeedsNoNetwork) {
  ASSERT_EQ(train("first", by_name()).status, 0);
  const size_t asked = hub_.server().requests().size();
  const ProcessResult second = train("second", by_name(), /*offline=*/"1");
  ASSERT_EQ(second.status, 0) << second.error;
  EXPECT_EQ(hub_.server().requests().size(), asked);
  EXPECT_EQ(losses("second"), losses("first"));
}

TEST_F(HubRun, SavedConfigsKeepTheNames) {
  ASSERT_EQ(train("run", by_name()).status, 0);
  const Json config = read_json(directory_.path() / "run/config.json");
  EXPECT_EQ(config["pretrained_model_name_or_path"], "me/sdxl");
  EXPECT_EQ(config["dataset_name"], "me/sdxl");
}

TEST_F(HubRun, ADryRunFetchesNoWeights) {
  const ProcessResult result = train(
      "run", {"--pretrained_model_name_or_path=me/sdxl", "--dataset_name=me/sdxl", "--dry_run"});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.output, HasSubstr("7 rows, 8 captions"));
  EXPECT_EQ(hub_.count("safetensors"), 0);
}

TEST_F(HubRun, DownloadPrintsWhereItLies) {
  const ProcessResult result = run({"download", "me/sdxl"});
  ASSERT_EQ(result.status, 0) << result.error;
  const fs::path snapshot = std::string(trimmed(result.output));
  EXPECT_EQ(read_file(snapshot / "unet/config.json"), hub_.file("unet/config.json"));
  EXPECT_FALSE(fs::exists(snapshot / "README.md"));
  EXPECT_EQ(run({"download", "me/sdxl", "--offline"}).status, 0);
}

TEST_F(HubRun, DownloadTakesDataSetsAndPatterns) {
  const ProcessResult data = run({"download", "me/sdxl", "--repo_type=dataset"});
  ASSERT_EQ(data.status, 0) << data.error;
  EXPECT_TRUE(fs::exists(fs::path(trimmed(data.output)) / "data/train-00000-of-00001.parquet"));
  const ProcessResult some = run({"download", "me/sdxl", "--include=*.md"});
  ASSERT_EQ(some.status, 0) << some.error;
  EXPECT_TRUE(fs::exists(fs::path(trimmed(some.output)) / "README.md"));
}

TEST_F(HubRun, WhatCannotBeHadIsNamed) {
  const ProcessResult revision =
      train("a", {"--pretrained_model_name_or_path=me/sdxl", "--dataset_name=me/sdxl",
                  "--revision=no-such-branch"});
  EXPECT_EQ(revision.status, 69);
  EXPECT_THAT(revision.error, HasSubstr("--pretrained_model_name_or_path: "));
  EXPECT_THAT(revision.error, HasSubstr("no-such-branch"));

  const ProcessResult nowhere = train(
      "b", {"--pretrained_model_name_or_path=/no/such/folder", "--train_data_dir=" + kPictures});
  EXPECT_EQ(nowhere.status, 2);
  EXPECT_THAT(nowhere.error, HasSubstr("/no/such/folder"));

  const ProcessResult offline = train("c", by_name(), /*offline=*/"1");
  EXPECT_EQ(offline.status, 69);
  EXPECT_THAT(offline.error, HasSubstr("not in the cache"));
}

}  // namespace
}  // namespace sdxl
