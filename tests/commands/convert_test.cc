// sdxl convert on the tiny pipeline. That diffusers draws the same from the single file, and reads
// the LoRA files, is compared by tools/parity/convert_check.py.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "io/images/decode.h"
#include "io/images/image.h"
#include "io/pretrained.h"
#include "io/safetensors.h"
#include "support/process.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kTinyModel;
using test::ProcessResult;
using test::TemporaryDirectory;

class Convert : public testing::Test {
 protected:
  Convert() { setenv("XDG_CACHE_HOME", (directory_.path() / "cache").c_str(), 1); }

  std::string path(const std::string& name) const { return (directory_.path() / name).string(); }

  ProcessResult run(const std::string& command, std::vector<std::string> flags) {
    flags.insert(flags.begin(), {SDXL_BINARY, command});
    return test::run_process(flags);
  }
  ProcessResult convert(const std::string& input, const std::string& output,
                        std::vector<std::string> more = {}) {
    std::vector<std::string> flags = {"--input=" + input, "--output=" + output,
                                      "--pretrained_model_name_or_path=" + kTinyModel};
    flags.insert(flags.end(), more.begin(), more.end());
    return run("convert", flags);
  }
  /// Copies tiny.safetensors with one tensor more.
  void add_tensor(const std::string& name) {
    TensorMap tensors = SafetensorsFile(path("tiny.safetensors")).tensors();
    std::vector<std::pair<std::string, at::Tensor>> all(tensors.begin(), tensors.end());
    all.emplace_back(name, at::ones({2}));
    write_safetensors(path("more.safetensors"), all);
  }

  TemporaryDirectory directory_;
};

void expect_same_tensors(const Weights& left, const Weights& right) {
  ASSERT_EQ(left.names(), right.names());
  for (const std::string& name : left.names()) {
    EXPECT_TRUE(left.tensor(name).equal(right.tensor(name))) << name;
  }
}

TEST_F(Convert, LeadsFromADirectoryToASingleFileAndBack) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  const ProcessResult result = convert(path("tiny.safetensors"), path("back"));
  ASSERT_EQ(result.status, 0) << result.error;
  for (const char* part : {"unet", "vae"}) {
    expect_same_tensors(Weights::open(fs::path(kTinyModel) / part, "diffusion_pytorch_model"),
                        Weights::open(fs::path(path("back")) / part, "diffusion_pytorch_model"));
  }
  expect_same_tensors(Weights::open(kTinyModel + "/text_encoder_2", "model"),
                      Weights::open(path("back/text_encoder_2"), "model"));
  EXPECT_TRUE(fs::exists(path("back/model_index.json")));
}

TEST_F(Convert, NamesTensorsAsTheOriginalCode) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  const SafetensorsFile file(path("tiny.safetensors"));
  const std::map<std::string, std::vector<int64_t>> shapes = {
      {"model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight", {32, 64}},
      {"model.diffusion_model.output_blocks.2.2.conv.weight", {32, 32, 3, 3}},
      {"first_stage_model.decoder.mid.attn_1.proj_out.weight", {32, 32, 1, 1}},
      {"first_stage_model.decoder.up.1.block.0.conv1.weight", {32, 32, 3, 3}},
      {"conditioner.embedders.0.transformer.text_model.final_layer_norm.weight", {32}},
      {"conditioner.embedders.1.model.transformer.resblocks.2.attn.in_proj_weight", {96, 32}},
      {"conditioner.embedders.1.model.text_projection", {32, 40}}};
  for (const auto& [name, shape] : shapes) {
    ASSERT_TRUE(file.contains(name)) << name;
    EXPECT_EQ(file.tensor(name).sizes(), at::IntArrayRef(shape)) << name;
  }
}

TEST_F(Convert, ASingleFileDrawsTheSamePicture) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  const std::vector<std::string> models = {kTinyModel, path("tiny.safetensors")};
  std::vector<Image> pictures;
  for (const std::string& model : models) {
    const std::string file = path("out.png");
    const ProcessResult result =
        run("infer", {"--pretrained_model_name_or_path=" + model,
                      "--single_file_config=" + kTinyModel, "--prompt=a cat", "--seed=1",
                      "--num_inference_steps=2", "--output=" + file, "--overwrite"});
    ASSERT_EQ(result.status, 0) << result.error;
    pictures.push_back(read_image(file));
  }
  EXPECT_EQ(pictures[0].rgb, pictures[1].rgb);
}

TEST_F(Convert, RefusesTensorsThatBelongToNoPart) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  add_tensor("model.diffusion_model.extra");
  const ProcessResult result = convert(path("more.safetensors"), path("back"));
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("model.diffusion_model.extra"), std::string::npos) << result.error;
  EXPECT_EQ(convert(path("more.safetensors"), path("back"), {"--allow_unmatched"}).status, 0);
}

TEST_F(Convert, RefusesOtherModels) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  add_tensor("cond_stage_model.transformer.text_model.final_layer_norm.weight");
  const ProcessResult result = convert(path("more.safetensors"), path("back"));
  EXPECT_EQ(result.status, 65);
  EXPECT_NE(result.error.find("Stable Diffusion 1 or 2"), std::string::npos) << result.error;
}

TEST_F(Convert, KnowsAModelThatPredictsVelocityByItsMark) {
  ASSERT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 0);
  add_tensor("v_pred");
  ASSERT_EQ(convert(path("more.safetensors"), path("back")).status, 0);
  const Json config = read_json(path("back/scheduler/scheduler_config.json"));
  EXPECT_EQ(config.at("prediction_type"), "v_prediction");
}

TEST_F(Convert, KeepsAnOutputThatExists) {
  write_file_atomically(path("tiny.safetensors"), "mine");
  EXPECT_EQ(convert(kTinyModel, path("tiny.safetensors")).status, 2);
  EXPECT_EQ(read_file(path("tiny.safetensors")), "mine");
}

TEST_F(Convert, OverwritesADirectoryOnlyIfItHoldsAModelAndNothingElse) {
  ASSERT_EQ(convert(kTinyModel, path("copy"), {"--to=diffusers"}).status, 0);
  EXPECT_EQ(convert(kTinyModel, path("copy"), {"--to=diffusers", "--overwrite"}).status, 0);
  write_file_atomically(path("copy/notes.txt"), "mine");
  const ProcessResult result = convert(kTinyModel, path("copy"), {"--to=diffusers", "--overwrite"});
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.error.find("notes.txt"), std::string::npos) << result.error;
  EXPECT_EQ(read_file(path("copy/notes.txt")), "mine");
}

}  // namespace
}  // namespace sdxl
