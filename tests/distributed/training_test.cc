// Training with several processes on one machine: equal numbers, and errors that name the rank.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>

#include "base/json.h"
#include "base/text.h"
#include "support/ranks.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using test::RankProcesses;
using test::TemporaryDirectory;

std::vector<std::string> command(const std::string& name, const fs::path& output,
                                 const std::vector<std::string>& flags) {
  std::vector<std::string> command = {SDXL_BINARY,
                                      name,
                                      "--pretrained_model_name_or_path=" SDXL_TEST_DATA
                                      "/tiny-sdxl",
                                      "--train_data_dir=" SDXL_TEST_DATA "/training/pictures",
                                      "--embedding_cache_dir=" + output.string() + "-cache",
                                      "--resolution=32",
                                      "--num_threads=1",
                                      "--seed=3",
                                      "--learning_rate=1e-3",
                                      "--report_to=none",
                                      "--output_dir=" + output.string()};
  command.insert(command.end(), flags.begin(), flags.end());
  return command;
}

/// Runs to the end with `ranks` processes.
std::vector<ProcessResult> train(const std::string& name, int ranks, const fs::path& output,
                                 const std::vector<std::string>& flags) {
  RankProcesses processes(ranks, output.string() + "-printed",
                          [&](int) { return command(name, output, flags); });
  return processes.wait();
}

void expect_done(const std::vector<ProcessResult>& results) {
  for (const ProcessResult& result : results) EXPECT_EQ(result.status, 0) << result.error;
}

/// loss and grad_norm of each step; of a step that was logged twice, the last.
std::map<int64_t, std::pair<double, double>> curve(const fs::path& output) {
  std::map<int64_t, std::pair<double, double>> curve;
  for (const Json& json : test::metrics(output)) {
    if (json.contains("loss")) curve[json["step"]] = {json["loss"], json["grad_norm"]};
  }
  return curve;
}

void expect_same_curve(const fs::path& one, const fs::path& other, double tolerance) {
  const auto a = curve(one), b = curve(other);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [step, numbers] : a) {
    ASSERT_TRUE(b.count(step)) << step;
    EXPECT_NEAR(numbers.first, b.at(step).first, tolerance) << other << " step " << step;
    EXPECT_NEAR(numbers.second, b.at(step).second, 100 * tolerance) << other << " step " << step;
  }
}

std::string bytes(const fs::path& file) { return read_file(file); }

constexpr const char* kUNet = "unet/diffusion_pytorch_model.safetensors";
constexpr const char* kLora = "pytorch_lora_weights.safetensors";

TEST(RankTraining, FullTrainingIsEqualOnOneTwoAndFourRanks) {
  const TemporaryDirectory directory;
  const fs::path one = directory.path() / "1", two = directory.path() / "2",
                 four = directory.path() / "4";
  const std::vector<std::string> flags = {"--max_train_steps=5"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), flags.begin(), flags.end());
    return more;
  };
  expect_done(train("train-full", 1, one, with({"--train_batch_size=4"})));
  expect_done(train("train-full", 2, two,
                    with({"--train_batch_size=1", "--gradient_accumulation_steps=2"})));
  expect_done(train("train-full", 4, four, with({"--train_batch_size=1"})));
  expect_same_curve(one, two, 1e-6);
  expect_same_curve(one, four, 1e-6);
}

TEST(RankTraining, LoraWithDropoutIsEqualOnOneAndTwoRanks) {
  const TemporaryDirectory directory;
  const fs::path one = directory.path() / "1", two = directory.path() / "2";
  auto with = [](std::vector<std::string> flags) {
    flags.insert(flags.end(),
                 {"--max_train_steps=4", "--train_text_encoder", "--lora_dropout=0.25"});
    return flags;
  };
  expect_done(train("train-lora", 1, one, with({"--train_batch_size=4"})));
  expect_done(train("train-lora", 2, two,
                    with({"--train_batch_size=1", "--gradient_accumulation_steps=2"})));
  expect_same_curve(one, two, 1e-6);
  EXPECT_TRUE(fs::exists(two / kLora));
}

TEST(RankTraining, ShardedOptimizerTrainsEqually) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole", sharded = directory.path() / "sharded";
  const std::vector<std::string> flags = {"--max_train_steps=4", "--train_batch_size=2",
                                          "--mixed_precision=bf16", "--use_ema",
                                          "--checkpointing_steps=2"};
  std::vector<std::string> sharding = flags;
  sharding.push_back("--zero_stage=1");
  expect_done(train("train-full", 2, whole, flags));
  expect_done(train("train-full", 2, sharded, sharding));
  expect_same_curve(whole, sharded, 1e-6);
  for (const char* file : {"unet/config.json", "unet_ema/config.json", "optimizer.safetensors",
                           "trainer_state.json", "manifest.json"}) {
    EXPECT_TRUE(fs::exists(sharded / "checkpoint-2" / file)) << file;
  }
  EXPECT_EQ(fs::file_size(sharded / "checkpoint-4/optimizer.safetensors"),
            fs::file_size(whole / "checkpoint-4/optimizer.safetensors"));
}

TEST(RankTraining, ResumesOnAnyNumberOfRanks) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole";
  auto flags = [](int batch, bool resume) {
    std::vector<std::string> flags = {str("--train_batch_size=", batch), "--max_train_steps=6",
                                      "--checkpointing_steps=3", "--zero_stage=1"};
    if (resume) flags.push_back("--resume_from_checkpoint=latest");
    return flags;
  };
  expect_done(train("train-full", 2, whole, flags(2, false)));
  for (const int ranks : {1, 2, 4}) {
    const fs::path broken = directory.path() / str("on-", ranks);
    create_directories(broken);
    fs::copy(whole / "checkpoint-3", broken / "checkpoint-3", fs::copy_options::recursive);
    fs::copy(whole / "metrics.jsonl", broken);
    expect_done(train("train-full", ranks, broken, flags(4 / ranks, true)));
    expect_same_curve(whole, broken, ranks == 2 ? 0 : 1e-6);
    if (ranks != 2) continue;
    EXPECT_EQ(bytes(broken / kUNet), bytes(whole / kUNet));
    EXPECT_EQ(bytes(broken / "checkpoint-6/optimizer.safetensors"),
              bytes(whole / "checkpoint-6/optimizer.safetensors"));
  }
}

TEST(RankTraining, DistributesValidation) {
  const TemporaryDirectory directory;
  const fs::path one = directory.path() / "1", two = directory.path() / "2";
  const std::vector<std::string> flags = {"--max_train_steps=1",      "--validation_steps=1",
                                          "--validation_prompt=a",    "--validation_prompt=b",
                                          "--validation_prompt=c",    "--num_validation_images=1",
                                          "--validation_loss_steps=1"};
  auto with = [&](const char* batch) {
    std::vector<std::string> all = flags;
    all.push_back(batch);
    return all;
  };
  expect_done(train("train-full", 1, one, with("--train_batch_size=2")));
  expect_done(train("train-full", 2, two, with("--train_batch_size=1")));
  for (const char* name : {"00000_3.png", "00001_4.png", "00002_5.png"}) {
    ASSERT_TRUE(fs::exists(two / "validation/test" / name)) << name;
  }
  auto validation_loss = [](const fs::path& output) {
    for (const Json& line : test::metrics(output)) {
      if (line.contains("validation_loss")) return line["validation_loss"].get<double>();
    }
    return -1.0;
  };
  EXPECT_NEAR(validation_loss(one), validation_loss(two), 1e-6);
}

/// The flags of an endless run.
std::vector<std::string> endless() {
  return {"--train_batch_size=1", "--max_train_steps=1000000", "--checkpointing_steps=2",
          "--checkpoints_total_limit=2", "--ddp_timeout=20"};
}

/// The steps of a run's checkpoints.
std::set<int64_t> checkpoints(const fs::path& output) {
  const std::string prefix = "checkpoint-";
  std::set<int64_t> steps;
  for (const auto& entry : fs::directory_iterator(output)) {
    const std::string name = entry.path().filename();
    if (name.starts_with(prefix)) steps.insert(std::stoll(name.substr(prefix.size())));
  }
  return steps;
}

TEST(RankTraining, NamesAKilledRankAndKeepsCheckpoints) {
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  RankProcesses ranks(3, directory.path() / "printed",
                      [&](int) { return command("train-full", output, endless()); });
  ASSERT_TRUE(test::wait_for_text(output / "metrics.jsonl", "\"step\":5"));
  ranks.signal(1, SIGKILL);
  const auto start = std::chrono::steady_clock::now();
  for (const int rank : {0, 2}) {
    const ProcessResult result = ranks.wait(rank);
    EXPECT_EQ(result.status, 69) << result.error;
    EXPECT_NE(result.error.find("rank 1 died"), std::string::npos) << result.error;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(15));
  ASSERT_FALSE(checkpoints(output).empty());
  const std::string steps = str("--max_train_steps=", *checkpoints(output).rbegin() + 1);
  expect_done(train("train-full", 2, output,
                    {"--train_batch_size=1", steps, "--resume_from_checkpoint=latest"}));
}

TEST(RankTraining, EndsWithinTheTimeoutIfARankStops) {
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  std::vector<std::string> flags = endless();
  flags.back() = "--ddp_timeout=3";
  RankProcesses ranks(2, directory.path() / "printed",
                      [&](int) { return command("train-full", output, flags); });
  ASSERT_TRUE(test::wait_for_text(output / "metrics.jsonl", "\"step\":3"));
  ranks.signal(1, SIGSTOP);
  const ProcessResult result = ranks.wait(0);
  EXPECT_EQ(result.status, 69) << result.error;
  EXPECT_NE(result.error.find("rank 1 "), std::string::npos) << result.error;
}

TEST(RankTraining, EndsAllRanksWithStatus70OnNan) {
  const TemporaryDirectory directory;
  const std::vector<ProcessResult> results = train("train-full", 2, directory.path() / "run",
                                                   {"--train_batch_size=1", "--max_train_steps=20",
                                                    "--learning_rate=1e30", "--max_grad_norm=0"});
  for (const ProcessResult& result : results) {
    EXPECT_EQ(result.status, 70) << result.error;
    EXPECT_NE(result.error.find("rank "), std::string::npos) << result.error;
    EXPECT_NE(result.error.find("not finite in step"), std::string::npos) << result.error;
  }
}

TEST(RankTraining, SavesOnceAndStopsAllRanksOnASignal) {
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  std::vector<std::string> flags = {"--train_batch_size=1", "--max_train_steps=1000000"};
  RankProcesses ranks(2, directory.path() / "printed",
                      [&](int) { return command("train-full", output, flags); });
  ASSERT_TRUE(test::wait_for_text(output / "metrics.jsonl", "\"step\":3"));
  ranks.signal(1, SIGTERM);
  for (const ProcessResult& result : ranks.wait()) EXPECT_EQ(result.status, 75) << result.error;
  EXPECT_EQ(checkpoints(output).size(), 1u);
}

TEST(RankTraining, RefusesRanksWithOtherOptions) {
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  RankProcesses ranks(2, directory.path() / "printed", [&](int rank) {
    return command("train-full", output,
                   {"--train_batch_size=1", "--max_train_steps=1",
                    rank == 0 ? "--snr_gamma=5" : "--snr_gamma=4"});
  });
  for (const ProcessResult& result : ranks.wait()) {
    EXPECT_EQ(result.status, 2) << result.error;
    EXPECT_NE(result.error.find("rank 1 has --snr_gamma 4.0 where rank 0 has 5.0"),
              std::string::npos)
        << result.error;
  }
}

TEST(RankTraining, RefusesRanksWithAnotherBuild) {
  const TemporaryDirectory directory;
  const fs::path other = directory.path() / "sdxl";
  fs::copy_file(SDXL_BINARY, other);
  std::ofstream(other, std::ios::app) << "another build";
  RankProcesses ranks(2, directory.path() / "printed", [&](int rank) {
    std::vector<std::string> words = command("train-full", directory.path() / "run",
                                             {"--train_batch_size=1", "--max_train_steps=1"});
    if (rank == 1) words[0] = other;
    return words;
  });
  for (const ProcessResult& result : ranks.wait()) {
    EXPECT_EQ(result.status, 2) << result.error;
    EXPECT_NE(result.error.find("rank 1 runs another build of sdxl"), std::string::npos)
        << result.error;
  }
}

TEST(RankTraining, NamesARankThatDoesNotStart) {
  const TemporaryDirectory directory;
  RankProcesses ranks(2, directory.path() / "printed", [&](int rank) -> std::vector<std::string> {
    if (rank == 1) return {"/bin/true"};
    return command("train-full", directory.path() / "run",
                   {"--train_batch_size=1", "--max_train_steps=1", "--ddp_timeout=2"});
  });
  const ProcessResult result = ranks.wait(0);
  EXPECT_EQ(result.status, 69);
  EXPECT_NE(result.error.find("rank 1 of 2 did not start within --ddp_timeout 2 s"),
            std::string::npos)
      << result.error;
}

}  // namespace
}  // namespace sdxl
