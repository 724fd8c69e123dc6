// Reading single files.
#include "pretrained/single_file.h"

#include <cstdlib>

#include "base/files/files.h"
#include "io/pretrained.h"
#include "pretrained/single_file_write.h"
#include "support/expect_error.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const fs::path kTiny = test::kTinyModel;
using NamedTensorList = std::vector<std::pair<std::string, at::Tensor>>;

class SingleFile : public testing::Test {
 protected:
  SingleFile() : file_(directory_ / "tiny.safetensors") {
    setenv("XDG_CACHE_HOME", (directory_ / "cache").c_str(), 1);
  }

  SingleFileContents read() const { return read_single_file(SafetensorsFile(file_), kTiny); }
  /// The whole tiny model with these tensors beside it.
  void write_with(const NamedTensorList& more) const {
    const fs::path plain = directory_ / "plain.safetensors";
    write_single_file(plain, kTiny, kTiny / "vae", "", at::ScalarType::Undefined);
    const TensorMap tensors = SafetensorsFile(plain).tensors();
    NamedTensorList all(tensors.begin(), tensors.end());
    all.insert(all.end(), more.begin(), more.end());
    write_safetensors(file_, all);
  }

  test::TemporaryDirectory directory_;
  fs::path file_;
};

TEST_F(SingleFile, HoldsTheFourPartsOfAModel) {
  write_with({});
  const SingleFileContents contents = read();
  EXPECT_EQ(contents.parts.size(), 4u);
  EXPECT_TRUE(contents.known.empty());
  EXPECT_TRUE(contents.unknown.empty());
}

TEST_F(SingleFile, MayHoldTheUNetAlone) {
  const TensorMap unet =
      SafetensorsFile(kTiny / "unet/diffusion_pytorch_model.safetensors").tensors();
  write_safetensors(file_, NamedTensorList(unet.begin(), unet.end()));
  const SingleFileContents contents = read();
  ASSERT_EQ(contents.parts.size(), 1u);
  EXPECT_EQ(contents.parts.begin()->first, "unet");
}

TEST_F(SingleFile, TellsBuffersFromTensorsOfNoPart) {
  write_with({{"alphas_cumprod", at::ones({2})}, {"model.diffusion_model.extra", at::ones({2})}});
  const SingleFileContents contents = read();
  EXPECT_THAT(contents.known, testing::ElementsAre("alphas_cumprod"));
  EXPECT_THAT(contents.unknown, testing::ElementsAre("model.diffusion_model.extra"));
}

TEST_F(SingleFile, MarksVelocityAndZeroTerminalSnr) {
  write_with({{"v_pred", at::empty({0})}, {"ztsnr", at::empty({0})}});
  EXPECT_TRUE(read().known.empty());  // which the log calls not needed
  const Json config =
      read_json(single_file_pipeline(file_, kTiny) / "scheduler/scheduler_config.json");
  EXPECT_EQ(config.at("prediction_type"), "v_prediction");
  EXPECT_EQ(config.at("rescale_betas_zero_snr"), true);
}

TEST_F(SingleFile, MayHold8BitWeightsWithScales) {
  write_with({});
  TensorMap tensors = SafetensorsFile(file_).tensors();
  const std::string embedding =
      "conditioner.embedders.0.transformer.text_model.embeddings.token_embedding";
  const std::string layer = "model.diffusion_model.time_embed.0";
  std::map<std::string, at::Tensor> expected;
  for (const std::string& name : {embedding, layer}) {
    const at::Tensor weight = tensors.at(name + ".weight").to(at::kFloat);
    const at::Tensor scale = weight.abs().max() / 448;
    const at::Tensor codes = (weight / scale).to(at::kFloat8_e4m3fn);
    expected[name] = codes.to(at::kFloat) * scale;
    tensors[name + ".weight"] = codes;
    tensors[name + ".weight_scale"] = scale;
  }
  write_safetensors(file_, NamedTensorList(tensors.begin(), tensors.end()));
  EXPECT_TRUE(read().unknown.empty());
  const fs::path view = single_file_pipeline(file_, kTiny);
  EXPECT_TRUE(Weights::open(view / "unet", "diffusion_pytorch_model")
                  .tensor("time_embedding.linear_1.weight")
                  .equal(expected.at(layer)));
  EXPECT_TRUE(Weights::open(view / "text_encoder", "model")
                  .tensor("text_model.embeddings.token_embedding.weight")
                  .equal(expected.at(embedding)));
}

TEST_F(SingleFile, IsRefusedAtEachUseWithUnknownTensorsBesideWeights) {
  write_with({{"model.diffusion_model.time_embed.0.weight_zero", at::ones({1})}});
  for (int use = 0; use < 2; ++use) {
    EXPECT_SDXL_ERROR(single_file_pipeline(file_, kTiny), ExitStatus::kBadData,
                      "'model.diffusion_model.time_embed.0.weight_zero' stands beside a layer's "
                      "weight and is not understood");
  }
}

TEST_F(SingleFile, IsViewedWithoutACopyOfTheWeights) {
  write_with({});
  const fs::path view = single_file_pipeline(file_, kTiny);
  EXPECT_EQ(single_file_pipeline(file_, kTiny), view);
  const Weights viewed = Weights::open(view / "unet", "diffusion_pytorch_model");
  EXPECT_THAT(viewed.files(), testing::ElementsAre(file_));
}

TEST_F(SingleFile, RefusesAFileWithoutAKnownPart) {
  write_safetensors(file_, NamedTensorList{{"weight", at::ones({2})}});
  EXPECT_SDXL_ERROR(read(), ExitStatus::kBadData, "has no part of an SDXL model");
}

TEST_F(SingleFile, RefusesTheRefiner) {
  write_with({{"conditioner.embedders.0.model.ln_final.weight", at::ones({2})}});
  EXPECT_SDXL_ERROR(read(), ExitStatus::kBadData, "the SDXL refiner");
}

}  // namespace
}  // namespace sdxl
