// sdxl infer with LoRA files and checkpoints; the pictures are those that diffusers drew with the
// same adapters (tools/reference/lora_files.py).
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files/files.h"
#include "base/text.h"
#include "io/images/decode.h"
#include "io/safetensors.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kTinyModel;
using test::ProcessResult;
using test::TemporaryDirectory;

const std::string kLoras = SDXL_TEST_DATA "/lora/";

ProcessResult infer(const fs::path& out, std::vector<std::string> more) {
  std::vector<std::string> command = {SDXL_BINARY,
                                      "infer",
                                      "--pretrained_model_name_or_path=" + kTinyModel,
                                      "--prompt=a photo of a cat",
                                      "--seed=31",
                                      "--num_inference_steps=4",
                                      "--guidance_scale=6",
                                      "--output_dir=" + out.string()};
  command.insert(command.end(), more.begin(), more.end());
  return test::run_process(command);
}

int largest_difference(const std::vector<uint8_t>& left, const std::vector<uint8_t>& right) {
  if (left.size() != right.size()) return 256;
  int largest = 0;
  for (size_t i = 0; i < left.size(); ++i) {
    largest = std::max(largest, std::abs(left[i] - right[i]));
  }
  return largest;
}

struct LoraCase {
  const char *file, *scale, *picture;
};

class InferLora : public testing::TestWithParam<LoraCase> {};

TEST_P(InferLora, EqualsDiffusersPicture) {
  const TemporaryDirectory directory;
  const auto& [file, scale, picture] = GetParam();
  const ProcessResult result =
      infer(directory.path(), {"--lora=" + kLoras + file, std::string("--lora_scale=") + scale});
  ASSERT_EQ(result.status, 0) << result.error;
  const at::Tensor expected =
      SafetensorsFile(kLoras + "pictures.safetensors").tensor(picture).contiguous();
  const uint8_t* data = expected.data_ptr<uint8_t>();
  EXPECT_LE(largest_difference(read_image(directory.path() / "00000_31.png").rgb,
                               {data, data + expected.numel()}),
            1);
}

INSTANTIATE_TEST_SUITE_P(Files, InferLora,
                         testing::Values(LoraCase{"diffusers", "0.7", "attention"},
                                         LoraCase{"kohya_sgm.safetensors", "0.7", "attention"},
                                         LoraCase{"convolutions.safetensors", "0.7",
                                                  "convolutions"},
                                         LoraCase{"dora", "1", "dora"}),
                         [](const auto& info) { return str(info.param.picture, info.index); });

/// A run with a LoRA checkpoint, one that was cut short, and one with a UNet.
void make_run(const fs::path& run) {
  fs::create_directories(run / "checkpoint-1");
  fs::copy(kLoras + "diffusers", run / "checkpoint-1");
  fs::create_directories(run / "checkpoint-2");
  fs::copy(kTinyModel + "/unet", run / "checkpoint-2/unet");
  const fs::path cut = run / "checkpoint-2/unet/diffusion_pytorch_model.safetensors";
  fs::resize_file(cut, fs::file_size(cut) / 2);
  fs::create_directories(run / "checkpoint-3");
  fs::copy(kTinyModel + "/unet", run / "checkpoint-3/unet");
  fs::create_directories(run / "checkpoint-4");
  fs::copy(kLoras + "convolutions.safetensors",
           run / "checkpoint-4/pytorch_lora_weights.safetensors");
}

TEST(InferCheckpoints, EachDrawsAsAloneAndABadOneDoesNotEndTheRest) {
  const TemporaryDirectory directory;
  make_run(directory.path() / "run");
  const fs::path out = directory.path() / "out";
  const ProcessResult result = infer(out, {"--checkpoints=" + (directory.path() / "run").string(),
                                           "--include_base", "--mixed_precision=bf16"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("checkpoint-2"), std::string::npos) << result.error;
  EXPECT_FALSE(fs::exists(out / "checkpoint-2"));

  const auto drawn = [&](const char* label) {
    return read_image(out / label / "00000_31.png").rgb;
  };
  const auto alone = [&](std::vector<std::string> flags) {
    flags.push_back("--mixed_precision=bf16");
    flags.push_back("--overwrite");
    EXPECT_EQ(infer(directory.path() / "alone", flags).status, 0);
    return read_image(directory.path() / "alone/00000_31.png").rgb;
  };
  EXPECT_EQ(drawn("checkpoint-3"), drawn("base"));
  EXPECT_EQ(drawn("checkpoint-1"), alone({"--lora=" + kLoras + "diffusers"}));
  EXPECT_EQ(drawn("checkpoint-4"), alone({"--lora=" + kLoras + "convolutions.safetensors"}));
}

TEST(InferCheckpoints, TakesTheAveragedLoraWeightsOrSaysThatThereAreNone) {
  const TemporaryDirectory directory;
  const fs::path run = directory.path() / "run", out = directory.path() / "out";
  for (const char* name : {"checkpoint-1", "checkpoint-2"}) {
    fs::create_directories(run / name);
    fs::copy(kLoras + "kohya.safetensors", run / name / "pytorch_lora_weights.safetensors");
  }
  fs::copy(kLoras + "convolutions.safetensors",
           run / "checkpoint-1/pytorch_lora_weights_ema.safetensors");
  const ProcessResult result = infer(out, {"--checkpoints=" + run.string(), "--use_ema"});
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("checkpoint-2 holds neither"), std::string::npos) << result.error;

  const fs::path alone = directory.path() / "alone";
  ASSERT_EQ(infer(alone, {"--lora=" + kLoras + "convolutions.safetensors"}).status, 0);
  EXPECT_EQ(read_image(out / "checkpoint-1/00000_31.png").rgb,
            read_image(alone / "00000_31.png").rgb);
}

TEST(InferLoraFiles, ListsTensorsThatMatchNothing) {
  const TemporaryDirectory directory;
  const fs::path file = directory.path() / "other.safetensors";
  write_safetensors(file, {{"lora_unet_nowhere.lora_down.weight", at::ones({1, 2})}});
  const ProcessResult refused = infer(directory.path() / "out", {"--lora=" + file.string()});
  EXPECT_EQ(refused.status, 65);
  EXPECT_NE(refused.error.find("lora_unet_nowhere"), std::string::npos) << refused.error;
  EXPECT_EQ(
      infer(directory.path() / "out", {"--lora=" + file.string(), "--lora_allow_unmatched"}).status,
      0);
}

class InferBatches : public testing::TestWithParam<const char*> {};

TEST_P(InferBatches, DrawTheSamePicturesWhateverTheirSize) {
  const TemporaryDirectory directory;
  for (const char* size : {"1", "3"}) {
    const ProcessResult result =
        infer(directory.path() / size,
              {"--prompt=a dog", "--num_images_per_prompt=2", std::string("--batch_size=") + size,
               std::string("--scheduler=") + GetParam()});
    ASSERT_EQ(result.status, 0) << result.error;
  }
  for (const char* name : {"00000_31.png", "00001_31.png", "00002_32.png", "00003_32.png"}) {
    EXPECT_LE(largest_difference(read_image(directory.path() / "1" / name).rgb,
                                 read_image(directory.path() / "3" / name).rgb),
              1)
        << name;
  }
}

INSTANTIATE_TEST_SUITE_P(Samplers, InferBatches,
                         testing::Values("euler_a", "dpmpp_2m_sde", "ddpm", "lcm"));

}  // namespace
}  // namespace sdxl
