// Training and inference on the simulated NPU (tests/simulated_npu) give the CPU's numbers and
// images. The simulation fails on tensors of the wrong device, on host access to device memory and
// on random numbers drawn on the device.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::ProcessResult;
using test::TemporaryDirectory;
using Flags = std::vector<std::string>;

ProcessResult run_on(const std::string& device, const std::string& command, const Flags& flags,
                     std::vector<std::pair<std::string, std::string>> environment = {}) {
  Flags arguments = {SDXL_BINARY, command, "--device=" + device, "--num_threads=1",
                     "--pretrained_model_name_or_path=" SDXL_TEST_DATA "/tiny-sdxl"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  environment.emplace_back("SDXL_TORCH_NPU_LIB", SIMULATED_NPU);
  return test::run_process(arguments, {environment});
}

Flags operator+(Flags flags, const Flags& more) {
  flags.insert(flags.end(), more.begin(), more.end());
  return flags;
}

Flags training_flags(const fs::path& output) {
  return {"--train_data_dir=" SDXL_TEST_DATA "/training/pictures",
          "--resolution=32",
          "--seed=3",
          "--max_train_steps=3",
          "--train_batch_size=2",
          "--learning_rate=1e-3",
          "--output_dir=" + output.string()};
}

/// The largest difference of two images' bytes; 256 if their shapes differ.
int largest_difference(const fs::path& a, const fs::path& b) {
  const Image left = read_image(a), right = read_image(b);
  if (left.rgb.size() != right.rgb.size() || left.width != right.width) return 256;
  int largest = 0;
  for (size_t i = 0; i < left.rgb.size(); ++i) {
    largest = std::max(largest, std::abs(left.rgb[i] - right.rgb[i]));
  }
  return largest;
}

struct Training {
  const char* name;
  const char* command;
  Flags flags;
  double tolerance;  ///< Relative, of losses and gradient norms.
};

std::ostream& operator<<(std::ostream& stream, const Training& run) { return stream << run.name; }

class SimulatedNpuTraining : public testing::TestWithParam<Training> {};

TEST_P(SimulatedNpuTraining, MatchesTheCpusLosses) {
  const Training& run = GetParam();
  const TemporaryDirectory directory;
  const fs::path cpu = directory.path() / "cpu", npu = directory.path() / "npu";
  const ProcessResult first = run_on("cpu", run.command, training_flags(cpu) + run.flags);
  ASSERT_EQ(first.status, 0) << first.error;
  const ProcessResult second = run_on("npu", run.command, training_flags(npu) + run.flags);
  ASSERT_EQ(second.status, 0) << second.error;
  const std::vector<Json> expected = test::metrics(cpu), lines = test::metrics(npu);
  ASSERT_EQ(lines.size(), expected.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    for (const char* figure : {"loss", "grad_norm"}) {
      if (!expected[i].contains(figure)) continue;
      const double value = expected[i][figure].get<double>();
      EXPECT_NEAR(lines[i][figure].get<double>(), value, run.tolerance * std::abs(value))
          << figure << " of step " << i + 1;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SimulatedNpuTraining,
    testing::Values(
        Training{"Full", "train-full", {"--gradient_accumulation_steps=2", "--use_ema"}, 1e-5},
        Training{"FullCheckpointed",
                 "train-full",
                 {"--gradient_checkpointing", "--random_flip", "--proportion_empty_prompts=0.5",
                  "--noise_offset=0.1", "--snr_gamma=5", "--max_grad_norm=0.5"},
                 1e-5},
        Training{"FullBf16", "train-full", {"--mixed_precision=bf16", "--no_cache_latents"}, 0.05},
        Training{"FullFp16", "train-full", {"--mixed_precision=fp16"}, 0.05},
        Training{"FullFused", "train-full", {"--fused_backward", "--max_grad_norm=0"}, 1e-5},
        Training{
            "Lora", "train-lora", {"--gradient_accumulation_steps=2", "--lora_dropout=0.1"}, 1e-5},
        Training{"LoraTextEncoders", "train-lora", {"--train_text_encoder"}, 1e-5},
        Training{"LoraBf16", "train-lora", {"--mixed_precision=bf16"}, 0.05}),
    [](const auto& info) { return info.param.name; });

TEST(SimulatedNpu, ResumesBitForBit) {
  const TemporaryDirectory directory;
  const fs::path whole = directory.path() / "whole", broken = directory.path() / "broken";
  const Flags flags = {"--use_ema", "--checkpointing_steps=2"};
  ASSERT_EQ(run_on("npu", "train-full", training_flags(whole) + flags).status, 0);
  create_directories(broken);
  fs::copy(whole / "checkpoint-2", broken / "checkpoint-2", fs::copy_options::recursive);
  const ProcessResult result =
      run_on("npu", "train-full",
             training_flags(broken) + flags + Flags{"--resume_from_checkpoint=latest"});
  ASSERT_EQ(result.status, 0) << result.error;
  for (const char* file : {"unet/diffusion_pytorch_model.safetensors"}) {
    EXPECT_EQ(read_file(broken / file), read_file(whole / file)) << file;
  }
}

TEST(SimulatedNpu, ResumesACheckpointOfTheCpu) {
  const TemporaryDirectory directory;
  const fs::path cpu = directory.path() / "cpu", npu = directory.path() / "npu";
  const Flags flags = {"--checkpointing_steps=2"};
  ASSERT_EQ(run_on("cpu", "train-lora", training_flags(cpu) + flags).status, 0);
  create_directories(npu);
  fs::copy(cpu / "checkpoint-2", npu / "checkpoint-2", fs::copy_options::recursive);
  const ProcessResult result = run_on(
      "npu", "train-lora", training_flags(npu) + flags + Flags{"--resume_from_checkpoint=latest"});
  ASSERT_EQ(result.status, 0) << result.error;
  const double expected = test::metrics(cpu).back()["loss"].get<double>();
  EXPECT_NEAR(test::metrics(npu).back()["loss"].get<double>(), expected, 1e-5 * expected);
}

TEST(SimulatedNpu, DrawsTheCpusValidationImages) {
  const TemporaryDirectory directory;
  const fs::path cpu = directory.path() / "cpu", npu = directory.path() / "npu";
  const Flags flags = {"--validation_prompt=a circle", "--num_validation_images=1",
                       "--validation_steps=3", "--validation_loss_steps=3"};
  ASSERT_EQ(run_on("cpu", "train-full", training_flags(cpu) + flags).status, 0);
  const ProcessResult result = run_on("npu", "train-full", training_flags(npu) + flags);
  ASSERT_EQ(result.status, 0) << result.error;
  const char* picture = "validation/step-3/00000_3.png";
  EXPECT_LE(largest_difference(cpu / picture, npu / picture), 1);
}

class SimulatedNpuSamplers : public testing::TestWithParam<const char*> {};

TEST_P(SimulatedNpuSamplers, DrawTheCpusImages) {
  const TemporaryDirectory directory;
  const Flags flags = {"--prompt=a red circle",
                       "--height=64",
                       "--width=64",
                       "--seed=7",
                       "--num_inference_steps=4",
                       std::string("--scheduler=") + GetParam()};
  const fs::path cpu = directory.path() / "cpu.png", npu = directory.path() / "npu.png";
  ASSERT_EQ(run_on("cpu", "infer", flags + Flags{"--output=" + cpu.string()}).status, 0);
  const ProcessResult result = run_on("npu:1", "infer", flags + Flags{"--output=" + npu.string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_LE(largest_difference(cpu, npu), 1);
}

INSTANTIATE_TEST_SUITE_P(All, SimulatedNpuSamplers,
                         testing::Values("euler_a", "ddim", "pndm", "heun", "dpmpp_2m_sde", "unipc",
                                         "lcm"),
                         [](const auto& info) { return std::string(info.param); });

TEST(SimulatedNpu, ListsOperatorsThatFallBack) {
  const TemporaryDirectory directory;
  const ProcessResult result =
      run_on("npu", "infer",
             {"--prompt=a circle", "--height=64", "--width=64", "--num_inference_steps=1",
              "--log_level=debug", "--output=" + (directory.path() / "a.png").string()});
  ASSERT_EQ(result.status, 0) << result.error;
  EXPECT_THAT(result.error, testing::ContainsRegex("computed on the CPU: aten::[a-z_.]+ [0-9]+"));
}

TEST(SimulatedNpu, ReportsOutOfMemoryWithStatus71) {
  const TemporaryDirectory directory;
  const ProcessResult result = run_on("npu", "train-full", training_flags(directory.path() / "run"),
                                      {{"SIMULATED_NPU_MEMORY", "4"}});
  EXPECT_EQ(result.status, 71) << result.error;
}

}  // namespace
}  // namespace sdxl
