// sdxl train-full as users run it, on the tiny pipeline: equal to the same training in Python
// (tools/reference/training.py), and resumed as if nothing had happened.
#include <gtest/gtest.h>
#include <signal.h>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/pretrained.h"
#include "io/safetensors.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kPictures;
using test::metrics;
using test::numbers;
using test::ProcessResult;
using test::TemporaryDirectory;

ProcessResult train_full(const fs::path& output, std::vector<std::string> flags) {
  std::vector<std::string> command = {SDXL_BINARY,
                                      "train-full",
                                      "--pretrained_model_name_or_path=" SDXL_TEST_DATA
                                      "/tiny-sdxl",
                                      "--train_data_dir=" + kPictures,
                                      "--resolution=32",
                                      "--num_threads=1",
                                      "--output_dir=" + output.string()};
  command.insert(command.end(), flags.begin(), flags.end());
  return test::run_process(command);
}

std::string unet_bytes(const fs::path& directory) {
  return read_file(directory / "diffusion_pytorch_model.safetensors");
}

std::vector<std::string> texts(const Json& list) {
  std::vector<std::string> result;
  for (const Json& text : list) result.push_back(text.get<std::string>());
  return result;
}

class TrainFullReference : public testing::TestWithParam<std::string> {};

TEST_P(TrainFullReference, EqualsDiffusersAndTorchStepByStep) {
  const Json run = read_json(SDXL_TEST_DATA "/training/runs.json").at(GetParam());
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  const ProcessResult result = train_full(output, texts(run["flags"]));
  ASSERT_EQ(result.status, 0) << result.error;
  const std::vector<Json> lines = metrics(output);
  ASSERT_EQ(lines.size(), run["steps"].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& expected = run["steps"][i];
    EXPECT_EQ(lines[i]["step"], expected["step"]);
    EXPECT_NEAR(lines[i]["loss"].get<double>(), expected["loss"].get<double>(), 1e-5) << i;
    EXPECT_NEAR(lines[i]["lr"].get<double>(), expected["lr"].get<double>(), 1e-12) << i;
    EXPECT_NEAR(lines[i]["grad_norm"].get<double>(), expected["grad_norm"].get<double>(), 1e-4);
  }
  const Weights weights = Weights::open(output / "unet", "diffusion_pytorch_model");
  for (const auto& [name, expected] : run["weights"].items()) {
    const at::Tensor weight = weights.tensor(name).flatten();
    for (int64_t i = 0; i < std::min<int64_t>(3, weight.numel()); ++i) {
      EXPECT_NEAR(weight[i].item<double>(), expected[i].get<double>(), 1e-4) << name;
    }
    EXPECT_NEAR(weight.norm().item<double>(), expected[expected.size() - 1].get<double>(), 1e-4);
  }
}

INSTANTIATE_TEST_SUITE_P(All, TrainFullReference,
                         testing::Values("plain", "weighted", "crops", "averaged"),
                         [](const auto& info) { return info.param; });

/// Nine steps of seven pictures, four a step: epochs end within steps.
std::vector<std::string> nine_steps(std::vector<std::string> more = {}) {
  std::vector<std::string> flags = {"--seed=3",
                                    "--random_flip",
                                    "--train_batch_size=2",
                                    "--gradient_accumulation_steps=2",
                                    "--max_train_steps=9",
                                    "--learning_rate=1e-3",
                                    "--lr_scheduler=cosine",
                                    "--lr_warmup_steps=2",
                                    "--use_ema"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

TEST(TrainFull, ResumesBitForBitFromEveryCheckpoint) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole";
  ASSERT_EQ(train_full(whole, nine_steps({"--checkpointing_steps=1"})).status, 0);
  for (int step : {1, 4, 7}) {
    const fs::path broken = directory.path() / str("broken-", step);
    create_directories(broken);
    fs::copy(whole / str("checkpoint-", step), broken / str("checkpoint-", step),
             fs::copy_options::recursive);
    fs::copy(whole / "metrics.jsonl", broken);  // with lines past the checkpoint
    const ProcessResult result =
        train_full(broken, nine_steps({"--checkpointing_steps=3", "--resume_from_checkpoint=latest",
                                       str("--dataloader_num_workers=", step % 3)}));
    ASSERT_EQ(result.status, 0) << result.error;
    EXPECT_EQ(numbers(broken), numbers(whole)) << "from step " << step;
    EXPECT_EQ(unet_bytes(broken / "unet"), unet_bytes(whole / "unet")) << "from step " << step;
    EXPECT_EQ(unet_bytes(broken / "checkpoint-9/unet"), unet_bytes(whole / "checkpoint-9/unet"));
  }
}

struct Precision {
  const char* name;
  std::vector<std::string> flags;
};

class TrainFullResume : public testing::TestWithParam<Precision> {};

TEST_P(TrainFullResume, IsBitExactInTheMiddleOfAnEpoch) {
  std::vector<std::string> flags = {"--seed=3",
                                    "--random_flip",
                                    "--train_batch_size=2",
                                    "--max_train_steps=6",
                                    "--checkpointing_steps=2",
                                    "--report_to=none"};
  const std::vector<std::string>& more = GetParam().flags;
  flags.insert(flags.end(), more.begin(), more.end());
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole", broken = directory.path() / "broken";
  const ProcessResult first = train_full(whole, flags);
  ASSERT_EQ(first.status, 0) << first.error;
  create_directories(broken);
  fs::copy(whole / "checkpoint-2", broken / "checkpoint-2", fs::copy_options::recursive);
  fs::copy(whole / "metrics.jsonl", broken);
  flags.emplace_back("--resume_from_checkpoint=latest");
  const ProcessResult second = train_full(broken, flags);
  ASSERT_EQ(second.status, 0) << second.error;
  EXPECT_EQ(numbers(broken), numbers(whole));
  EXPECT_EQ(unet_bytes(broken / "unet"), unet_bytes(whole / "unet"));
  for (const char* file : {"unet/diffusion_pytorch_model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(read_file(broken / "checkpoint-6" / file), read_file(whole / "checkpoint-6" / file));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, TrainFullResume,
    testing::Values(Precision{"float32_adamw", {"--train_batch_size=1", "--use_ema"}},
                    Precision{"fp16_adafactor_polynomial",
                              {"--mixed_precision=fp16", "--optimizer=adafactor",
                               "--lr_scheduler=polynomial", "--lr_power=2", "--lr_warmup_steps=0"}},
                    Precision{"bf16_adamw8bit_restarts",
                              {"--mixed_precision=bf16", "--use_8bit_adam",
                               "--optimizer_args=min_8bit_size=256",
                               "--lr_scheduler=cosine_with_restarts", "--lr_num_cycles=2",
                               "--lr_warmup_steps=1", "--use_ema"}},
                    Precision{"full_bf16_lion_warmup",
                              {"--full_bf16", "--fused_backward", "--optimizer=lion",
                               "--lr_scheduler=constant_with_warmup", "--lr_warmup_steps=3"}},
                    Precision{"prodigy_linear",
                              {"--optimizer=prodigy", "--learning_rate=1", "--lr_scheduler=linear",
                               "--lr_warmup_steps=1", "--optimizer_args=d0=1e-4"}}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(TrainFull, ResumesTwiceInARow) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole", parts = directory.path() / "parts";
  const std::vector<std::string> flags = {
      "--seed=3",        "--train_batch_size=2",   "--use_ema",
      "--use_8bit_adam", "--mixed_precision=bf16", "--resume_from_checkpoint=latest"};
  auto with_steps = [&](const char* steps) {
    std::vector<std::string> all = flags;
    all.push_back(std::string("--max_train_steps=") + steps);
    return all;
  };
  ASSERT_EQ(train_full(whole, with_steps("6")).status, 0);
  for (const char* steps : {"2", "3", "6"})
    ASSERT_EQ(train_full(parts, with_steps(steps)).status, 0);
  EXPECT_EQ(numbers(parts), numbers(whole));
  EXPECT_EQ(unet_bytes(parts / "unet"), unet_bytes(whole / "unet"));
  EXPECT_EQ(unet_bytes(parts / "checkpoint-6/unet"), unet_bytes(whole / "checkpoint-6/unet"));
}

TEST(TrainFull, RecomputesActivationsToTheSameBits) {
  const TemporaryDirectory directory;
  const fs::path kept = directory.path() / "kept", again = directory.path() / "again";
  const std::vector<std::string> flags = {"--seed=3", "--train_batch_size=2",
                                          "--max_train_steps=3"};
  std::vector<std::string> recomputed = flags;
  recomputed.emplace_back("--gradient_checkpointing");
  ASSERT_EQ(train_full(kept, flags).status, 0);
  ASSERT_EQ(train_full(again, recomputed).status, 0);
  EXPECT_EQ(numbers(kept), numbers(again));
  EXPECT_EQ(unet_bytes(kept / "unet"), unet_bytes(again / "unet"));
}

TEST(TrainFull, StepsWithinTheBackwardPassToTheSameBits) {
  const TemporaryDirectory directory;
  const fs::path plain = directory.path() / "plain", fused = directory.path() / "fused";
  std::vector<std::string> flags = {"--seed=3", "--train_batch_size=2", "--max_train_steps=3",
                                    "--max_grad_norm=0", "--full_bf16"};
  ASSERT_EQ(train_full(plain, flags).status, 0);
  flags.emplace_back("--fused_backward");
  ASSERT_EQ(train_full(fused, flags).status, 0);
  EXPECT_EQ(unet_bytes(plain / "unet"), unet_bytes(fused / "unet"));
  const Weights weights = Weights::open(fused / "unet", "diffusion_pytorch_model");
  EXPECT_EQ(weights.tensor("conv_in.weight").scalar_type(), at::kBFloat16);
}

TEST(TrainFull, StopsOnASignalWithStatus75AndGoesOn) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole", stopped = directory.path() / "stopped";
  ASSERT_EQ(train_full(whole, nine_steps()).status, 0);
  const ProcessResult first = test::run_process(
      {"/bin/sh", "-c",
       str("exec ", SDXL_BINARY, " train-full --pretrained_model_name_or_path=", SDXL_TEST_DATA,
           "/tiny-sdxl --train_data_dir=", kPictures,
           " --resolution=32 --num_threads=1 --output_dir=", stopped.string(), " ",
           join(nine_steps(), " "),
           " & child=$!; for i in $(seq 600); do sleep 0.05;"
           " grep -q '\"step\":3' ",
           stopped.string(),
           "/metrics.jsonl 2>/dev/null"
           " && break; done; kill -TERM $child; wait $child")});
  ASSERT_TRUE(first.status == 75 || first.status == 0) << first.error;
  if (first.status == 75) {
    EXPECT_NE(first.error.find("--resume_from_checkpoint latest"), std::string::npos);
    ASSERT_EQ(train_full(stopped, nine_steps({"--resume_from_checkpoint=latest"})).status, 0);
  }
  EXPECT_EQ(numbers(stopped), numbers(whole));
  EXPECT_EQ(unet_bytes(stopped / "unet"), unet_bytes(whole / "unet"));
}

TEST(TrainFull, RefusesToOverwriteARun) {
  const TemporaryDirectory directory;
  const std::vector<std::string> flags = {"--seed=1", "--max_train_steps=1",
                                          "--train_batch_size=1"};
  ASSERT_EQ(train_full(directory.path(), flags).status, 0);
  const ProcessResult again = train_full(directory.path(), flags);
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.error.find("--overwrite_output_dir"), std::string::npos) << again.error;
}

TEST(TrainFull, DoesNotBeginAFinishedRunAnewForLackOfACheckpoint) {
  const TemporaryDirectory directory;
  const std::vector<std::string> flags = {"--seed=1", "--max_train_steps=1", "--train_batch_size=1",
                                          "--resume_from_checkpoint=latest"};
  ASSERT_EQ(train_full(directory.path(), flags).status, 0);
  const std::string metrics = read_file(directory.path() / "metrics.jsonl");
  const ProcessResult again = train_full(directory.path(), flags);
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.error.find("finished run (model_index.json)"), std::string::npos) << again.error;
  EXPECT_EQ(read_file(directory.path() / "metrics.jsonl"), metrics);
}

TEST(TrainFull, RefusesToResumeWithOtherOptions) {
  const TemporaryDirectory directory;
  ASSERT_EQ(train_full(directory.path(), nine_steps({"--checkpointing_steps=5"})).status, 0);
  const ProcessResult result = train_full(
      directory.path(), nine_steps({"--resume_from_checkpoint=latest", "--snr_gamma=5"}));
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("--snr_gamma was null and is 5"), std::string::npos) << result.error;
}

TEST(TrainFull, RepeatsARunFromItsConfig) {
  const TemporaryDirectory directory;
  const fs::path first = directory.path() / "first", second = directory.path() / "second";
  ASSERT_EQ(train_full(first, {"--max_train_steps=2", "--train_batch_size=2"}).status, 0);
  const ProcessResult result =
      test::run_process({SDXL_BINARY, "train-full", "--config=" + (first / "config.json").string(),
                         "--output_dir=" + second.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(numbers(first), numbers(second));
}

TEST(TrainFull, StopsAtANanWithStatus70) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      train_full(directory.path(), {"--seed=1", "--max_train_steps=20", "--train_batch_size=1",
                                    "--learning_rate=1e30", "--max_grad_norm=0"});
  EXPECT_EQ(result.status, 70) << result.error;
  EXPECT_NE(result.error.find("not finite in step"), std::string::npos) << result.error;
}

TEST(TrainFull, DrawsValidationPictures) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      train_full(directory.path(), {"--seed=1", "--max_train_steps=1", "--train_batch_size=1",
                                    "--validation_prompt=a circle", "--num_validation_images=1",
                                    "--validation_steps=1", "--validation_loss_steps=1"});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_TRUE(fs::exists(directory.path() / "validation/step-1/00000_1.png"));
  EXPECT_GT(metrics(directory.path()).back()["validation_loss"].get<double>(), 0);
  const std::string card = read_file(directory.path() / "README.md");
  EXPECT_NE(card.find("![a circle](validation/test/00000_1.png)"), std::string::npos) << card;
  EXPECT_NE(card.find("--validation_prompt='a circle'"), std::string::npos) << card;
}

TEST(TrainFull, KeepsTheBestCheckpoint) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      train_full(directory.path(),
                 {"--seed=1", "--max_train_steps=6", "--train_batch_size=1", "--learning_rate=3e-2",
                  "--validation_loss_steps=2", "--keep_best_checkpoint", "--checkpointing_steps=3",
                  "--checkpoints_total_limit=1"});
  ASSERT_EQ(result.status, 0) << result.error;
  int64_t best = 0;
  double least = INFINITY;
  for (const Json& line : metrics(directory.path())) {
    if (!line.contains("validation_loss") || line["validation_loss"].get<double>() >= least)
      continue;
    least = line["validation_loss"].get<double>();
    best = line["step"].get<int64_t>();
  }
  EXPECT_EQ(read_json(directory.path() / "best.json").at("step"), best);
  EXPECT_TRUE(fs::exists(directory.path() / str("checkpoint-", best)));
  EXPECT_TRUE(fs::exists(directory.path() / "checkpoint-6"));
}

TEST(TrainFull, RepeatsTheStretchedScheduleOfTheScripts) {
  const TemporaryDirectory directory;
  const std::vector<std::string> flags = {"--seed=1",
                                          "--max_train_steps=3",
                                          "--train_batch_size=1",
                                          "--gradient_accumulation_steps=2",
                                          "--learning_rate=1",
                                          "--lr_scheduler=cosine",
                                          "--lr_warmup_steps=2",
                                          "--max_grad_norm=1e-9",
                                          "--compat=hf"};
  const ProcessResult result = train_full(directory.path(), flags);
  ASSERT_EQ(result.status, 0) << result.error;
  const std::vector<Json> lines = metrics(directory.path());
  for (int i = 0; i < 3; ++i) EXPECT_NEAR(lines[i]["lr"].get<double>(), i / 4.0, 1e-12);
}

}  // namespace
}  // namespace sdxl
