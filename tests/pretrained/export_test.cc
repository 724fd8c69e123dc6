// Writing parts and pipelines in diffusers' layout. That diffusers reads them is compared by
// tools/parity/convert_check.py.
#include "pretrained/export.h"

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/json.h"
#include "io/pretrained.h"
#include "support/expect_error.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const fs::path kTinyFolder = test::kTinyModel;

class Export : public testing::Test {
 protected:
  Export() : written_(directory_ / "written") {}

  PipelineExport tiny(at::ScalarType dtype = at::ScalarType::Undefined) const {
    return {kTinyFolder, kTinyFolder / "vae", "", dtype};
  }

  test::TemporaryDirectory directory_;
  fs::path written_;
};

// The first encoder's fixture has the newer names, without the prefix that transformers 4 reads.
TEST_F(Export, KeepsEveryTensorWithoutADtype) {
  write_diffusers_pipeline(written_, tiny());
  for (const auto& [folder, stem] :
       {std::pair("unet", "diffusion_pytorch_model"), std::pair("vae", "diffusion_pytorch_model"),
        std::pair("text_encoder", "model"), std::pair("text_encoder_2", "model")}) {
    const Weights before = Weights::open(kTinyFolder / folder, stem);
    const Weights after = Weights::open(written_ / folder, stem);
    ASSERT_EQ(before.names().size(), after.names().size());
    const std::string prefix = std::string(folder) == "text_encoder" ? "text_model." : "";
    for (const std::string& name : before.names()) {
      const at::Tensor kept = after.tensor(prefix + name);
      EXPECT_EQ(before.tensor(name).scalar_type(), kept.scalar_type()) << name;
      EXPECT_TRUE(before.tensor(name).equal(kept)) << name;
    }
  }
}

TEST_F(Export, CopiesTokenizersAndSchedulerByteForByte) {
  write_diffusers_pipeline(written_, tiny());
  for (const char* file : {"tokenizer/vocab.json", "tokenizer_2/tokenizer.json",
                           "scheduler/scheduler_config.json", "model_index.json"}) {
    EXPECT_EQ(read_file(written_ / file), read_file(kTinyFolder / file)) << file;
  }
}

TEST_F(Export, PutsTheDtypeIntoTheConfigThatHadOne) {
  write_diffusers_pipeline(written_, tiny(at::kBFloat16));
  EXPECT_EQ(read_json(written_ / "text_encoder/config.json").at("dtype"), "bfloat16");
  EXPECT_FALSE(read_json(written_ / "vae/config.json").contains("dtype"));
}

TEST_F(Export, PutsThePredictionTypeIntoTheSchedulersConfig) {
  PipelineExport what = tiny();
  what.prediction_type = "v_prediction";
  write_diffusers_pipeline(written_, what);
  const Json config = read_json(written_ / "scheduler/scheduler_config.json");
  EXPECT_EQ(config.at("prediction_type"), "v_prediction");
  EXPECT_EQ(config.at("timestep_spacing"), "leading");
}

TEST_F(Export, WritesNoIndexWhenTheUNetFails) {
  const auto fail = [] { throw Error(ExitStatus::kFileError, "the disk is full"); };
  EXPECT_SDXL_ERROR(write_pipeline_around(written_, tiny(), fail), ExitStatus::kFileError, "full");
  EXPECT_FALSE(fs::exists(written_ / "model_index.json"));
}

TEST_F(Export, KeepsOtherFilesOfTheDirectory) {
  make_directories(written_);
  write_file_atomically(written_ / "metrics.jsonl", "mine");
  write_pipeline_around(written_, tiny(), [] {});
  EXPECT_EQ(read_file(written_ / "metrics.jsonl"), "mine");
  EXPECT_TRUE(fs::exists(written_ / "model_index.json"));
}

TEST_F(Export, WritesNothingOfAPipelineThatLacksAPart) {
  fs::copy(kTinyFolder, directory_ / "model", fs::copy_options::recursive);
  fs::remove_all(directory_ / "model/text_encoder_2");
  PipelineExport what = tiny();
  what.pipeline = directory_ / "model";
  EXPECT_SDXL_ERROR(write_diffusers_pipeline(written_, what), ExitStatus::kBadData,
                    "has no text_encoder_2");
  EXPECT_FALSE(fs::exists(written_));
}

}  // namespace
}  // namespace sdxl
