// sdxl train-lora as users run it, on the tiny pipeline: equal to the same training with diffusers
// and peft (tools/reference/lora_training.py), and resumed as if nothing had happened.
#include <gtest/gtest.h>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::numbers;
using test::ProcessResult;
using test::TemporaryDirectory;

ProcessResult run(const std::string& command, std::vector<std::string> flags) {
  flags.insert(flags.begin(),
               {SDXL_BINARY, command, "--pretrained_model_name_or_path=" + test::kTinyModel,
                "--num_threads=1"});
  return test::run_process(flags);
}

ProcessResult train_lora(const fs::path& output, std::vector<std::string> flags) {
  flags.insert(flags.begin(), {"--train_data_dir=" SDXL_TEST_DATA "/training/pictures",
                               "--resolution=32", "--output_dir=" + output.string()});
  return run("train-lora", std::move(flags));
}

std::string adapter_bytes(const fs::path& directory) {
  return read_file(directory / "pytorch_lora_weights.safetensors");
}

/// The trained tensor of one of our names ("unet.conv_in.down") in a file of diffusers' names.
at::Tensor adapter_tensor(const SafetensorsFile& file, const std::string& name) {
  const size_t dot = name.rfind('.');
  const std::string layer = name.substr(0, dot), role = name.substr(dot + 1);
  if (role == "magnitude") return file.tensor(layer + ".lora_magnitude_vector.weight");
  for (const char* kind : {".lora.", ".lora_linear_layer."}) {
    const std::string key = str(layer, kind, role, ".weight");
    if (file.contains(key)) return file.tensor(key);
  }
  return file.tensor(layer + (role == "down" ? ".lora_A.weight" : ".lora_B.weight"));
}

class TrainLoraReference : public testing::TestWithParam<std::string> {};

TEST_P(TrainLoraReference, EqualsDiffusersAndPeftStepByStep) {
  const Json expected = read_json(SDXL_TEST_DATA "/training/lora_runs.json").at(GetParam());
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run";
  const ProcessResult result =
      train_lora(output, expected["flags"].get<std::vector<std::string>>());
  ASSERT_EQ(result.status, 0) << result.error;
  const std::vector<Json> lines = numbers(output);
  ASSERT_EQ(lines.size(), expected["steps"].size());
  for (size_t i = 0; i < lines.size(); ++i) {
    const Json& step = expected["steps"][i];
    EXPECT_NEAR(lines[i]["loss"].get<double>(), step["loss"].get<double>(), 1e-5) << i;
    EXPECT_NEAR(lines[i]["lr"].get<double>(), step["lr"].get<double>(), 1e-12) << i;
    EXPECT_NEAR(lines[i]["grad_norm"].get<double>(), step["grad_norm"].get<double>(), 1e-4) << i;
  }
  const SafetensorsFile file(output / "pytorch_lora_weights.safetensors");
  for (const auto& [name, values] : expected["weights"].items()) {
    const at::Tensor tensor = adapter_tensor(file, name).flatten();
    EXPECT_NEAR(tensor.norm().item<double>(), values[0].get<double>(), 1e-4) << name;
    for (int64_t i = 1; i < std::ssize(values); ++i) {
      EXPECT_NEAR(tensor[i - 1].item<double>(), values[i].get<double>(), 1e-4) << name;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, TrainLoraReference,
                         testing::Values("attention", "text_encoders", "all_kinds", "dora",
                                         "lora_plus", "dropout", "dora_dropout"),
                         [](const auto& info) { return info.param; });

std::vector<std::string> six_steps(std::vector<std::string> more = {}) {
  std::vector<std::string> flags = {"--seed=3",
                                    "--random_flip",
                                    "--train_batch_size=2",
                                    "--gradient_accumulation_steps=2",
                                    "--max_train_steps=6",
                                    "--learning_rate=1e-2",
                                    "--lr_scheduler=cosine",
                                    "--lr_warmup_steps=2",
                                    "--lora_dropout=0.2",
                                    "--use_dora",
                                    "--train_text_encoder",
                                    "--checkpointing_steps=2"};
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

TEST(TrainLora, ResumesBitForBitWithDropoutDoraAndTextEncoders) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole";
  ASSERT_EQ(train_lora(whole, six_steps()).status, 0);
  for (const int step : {2, 4}) {
    const fs::path broken = directory.path() / str("broken-", step);
    create_directories(broken);
    fs::copy(whole / str("checkpoint-", step), broken / str("checkpoint-", step),
             fs::copy_options::recursive);
    const ProcessResult result = train_lora(broken, six_steps({"--resume_from_checkpoint=latest"}));
    ASSERT_EQ(result.status, 0) << result.error;
    EXPECT_EQ(numbers(broken).back(), numbers(whole).back()) << "from step " << step;
    EXPECT_EQ(adapter_bytes(broken), adapter_bytes(whole)) << "from step " << step;
    EXPECT_EQ(adapter_bytes(broken / "checkpoint-6"), adapter_bytes(whole / "checkpoint-6"));
  }
}

TEST(TrainLora, LeavesCheckpointsThatInferenceDraws) {
  const TemporaryDirectory directory;
  const fs::path output = directory.path() / "run", pictures = directory.path() / "pictures";
  ASSERT_EQ(train_lora(output, six_steps({"--save_kohya"})).status, 0);
  EXPECT_TRUE(fs::exists(output / "kohya_lora_weights.safetensors"));
  const ProcessResult result =
      run("infer", {"--checkpoints=" + output.string(), "--prompt=a circle", "--seed=1",
                    "--num_inference_steps=2", "--output_dir=" + pictures.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  const std::string first = read_file(pictures / "checkpoint-2/00000_1.png");
  EXPECT_NE(first, read_file(pictures / "checkpoint-6/00000_1.png"));
}

TEST(TrainLora, StartsFromTheAdaptersOfAFile) {
  const TemporaryDirectory directory;
  const fs::path first = directory.path() / "first", second = directory.path() / "second";
  const std::vector<std::string> flags = {"--seed=3", "--train_batch_size=1", "--max_train_steps=3",
                                          "--learning_rate=1e-2"};
  ASSERT_EQ(train_lora(first, flags).status, 0);
  // A step of no size leaves the adapters as they were read.
  const ProcessResult result =
      train_lora(second, {"--seed=4", "--train_batch_size=1", "--max_train_steps=1",
                          "--learning_rate=1e-30", "--lora_weights=" + first.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_EQ(adapter_bytes(second), adapter_bytes(first));
  const ProcessResult other =
      train_lora(directory.path() / "third", {"--train_batch_size=1", "--max_train_steps=1",
                                              "--rank=8", "--lora_weights=" + first.string()});
  EXPECT_EQ(other.status, 65);
  EXPECT_NE(other.error.find("has rank 4, not 8"), std::string::npos) << other.error;
}

TEST(TrainLora, SaysHowToGoOnFromAdaptersOfTextEncoders) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      train_lora(directory.path(), {"--train_batch_size=1", "--max_train_steps=1",
                                    "--lora_weights=" SDXL_TEST_DATA "/lora/peft"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("add --train_text_encoder"), std::string::npos) << result.error;
  EXPECT_EQ(result.error.find("--lora_allow_unmatched"), std::string::npos) << result.error;
}

TEST(TrainLora, KeepsTheFrozenWeightsIn8Bits) {
  const TemporaryDirectory directory;
  const std::vector<std::string> flags = {"--seed=3", "--train_batch_size=2", "--max_train_steps=4",
                                          "--learning_rate=1e-3", "--train_text_encoder"};
  const fs::path plain = directory.path() / "plain";
  ASSERT_EQ(train_lora(plain, flags).status, 0);
  for (const char* dtype : {"int8", "fp8"}) {
    const fs::path output = directory.path() / dtype;
    std::vector<std::string> quantised = flags;
    quantised.push_back(str("--base_dtype=", dtype));
    const ProcessResult result = train_lora(output, quantised);
    ASSERT_EQ(result.status, 0) << result.error;
    const std::vector<Json> ours = numbers(output), exact = numbers(plain);
    ASSERT_EQ(ours.size(), exact.size());
    for (size_t i = 0; i < ours.size(); ++i) {
      const double loss = exact[i]["loss"].get<double>();
      EXPECT_NEAR(ours[i]["loss"].get<double>(), loss, 0.02 * loss) << dtype;
      EXPECT_NE(ours[i]["loss"].get<double>(), loss) << dtype;
    }
  }
}

TEST(TrainLora, TellsTheLossOfEachPicture) {
  const TemporaryDirectory directory;
  ASSERT_EQ(train_lora(directory.path(),
                       {"--seed=3", "--train_batch_size=3", "--max_train_steps=2", "--debug_loss"})
                .status,
            0);
  for (const Json& line : numbers(directory.path())) {
    ASSERT_EQ(line["pictures"].size(), 3u);
    double sum = 0;
    for (const Json& picture : line["pictures"]) {
      EXPECT_TRUE(picture["name"].get<std::string>().ends_with(".png"));
      sum += picture["loss"].get<double>();
    }
    EXPECT_NEAR(sum / 3, line["loss"].get<double>(), 1e-6);
  }
}

TEST(TrainLora, DrawsValidationPicturesWithAndWithoutTheAdapters) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      train_lora(directory.path(),
                 {"--seed=1", "--max_train_steps=2", "--train_batch_size=1", "--learning_rate=0.1",
                  "--train_text_encoder", "--validation_prompt=a circle",
                  "--num_validation_images=1", "--validation_steps=1"});
  ASSERT_EQ(result.status, 0) << result.error;
  const fs::path pictures = directory.path() / "validation";
  const std::string base = read_file(pictures / "base/00000_1.png");
  EXPECT_NE(base, read_file(pictures / "step-1/00000_1.png"));
  EXPECT_NE(base, read_file(pictures / "step-2/00000_1.png"));
}

/// The runs of the documentation, small.
TEST(TrainLora, RunsInFp16OverEpochsWithATracker) {
  const TemporaryDirectory directory;
  const ProcessResult result = train_lora(
      directory.path(), {"--caption_column=text", "--random_flip", "--train_batch_size=1",
                         "--num_train_epochs=2", "--checkpointing_steps=5", "--learning_rate=1e-04",
                         "--lr_scheduler=constant", "--lr_warmup_steps=0", "--mixed_precision=fp16",
                         "--seed=42", "--validation_prompt=cute dragon creature",
                         "--report_to=wandb", "--num_validation_images=1", "--train_text_encoder"});
  ASSERT_EQ(result.status, 0) << result.error;
  int64_t steps = 0;
  for (const Json& line : numbers(directory.path())) {
    if (!line.contains("loss")) continue;
    EXPECT_EQ(line["step"], ++steps);
  }
  EXPECT_EQ(steps, 2 * 7);
  EXPECT_TRUE(fs::exists(directory.path() / "checkpoint-10"));
  EXPECT_TRUE(fs::exists(directory.path() / "validation/test"));
  const SafetensorsFile file(directory.path() / "pytorch_lora_weights.safetensors");
  for (const auto& [name, tensor] : file.tensors()) {
    EXPECT_EQ(tensor.scalar_type(), at::kFloat) << name;
    EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
  }
}

TEST(TrainLora, MeasuresTheValidationLossOfTheAverage) {
  const TemporaryDirectory directory;
  const fs::path averaged = directory.path() / "averaged", again = directory.path() / "again";
  ASSERT_EQ(train_lora(averaged, {"--seed=3", "--train_batch_size=1", "--max_train_steps=4",
                                  "--learning_rate=0.1", "--use_ema", "--validation_loss_steps=4"})
                .status,
            0);
  ASSERT_EQ(train_lora(again, {"--seed=3", "--train_batch_size=1", "--max_train_steps=1",
                               "--learning_rate=0", "--validation_loss_steps=1",
                               "--lora_weights=" + averaged.string()})
                .status,
            0);
  EXPECT_NEAR(numbers(averaged).back().at("validation_loss").get<double>(),
              numbers(again).back().at("validation_loss").get<double>(), 1e-6);
}

}  // namespace
}  // namespace sdxl
