// Opening pipeline directories.
#include "pretrained/pipeline_directory.h"

#include "support/expect_error.h"
#include "support/run_files.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

using test::kTinyModel;

/// A copy of the tiny model that a test may damage.
class PipelineDirectoryTest : public testing::Test {
 protected:
  PipelineDirectoryTest() : model_(directory_ / "model") {
    fs::copy(kTinyModel, model_, fs::copy_options::recursive);
  }

  test::TemporaryDirectory directory_;
  fs::path model_;
};

TEST_F(PipelineDirectoryTest, RefusesAFolderWithoutAnIndex) {
  fs::remove(model_ / "model_index.json");
  EXPECT_SDXL_ERROR(PipelineDirectory(model_, ""), ExitStatus::kBadData, "has no model_index.json");
}

TEST_F(PipelineDirectoryTest, RefusesThePipelineOfAnotherModel) {
  write_json(model_ / "model_index.json", {{"_class_name", "FluxPipeline"}});
  EXPECT_SDXL_ERROR(PipelineDirectory(model_, ""), ExitStatus::kBadData, "'FluxPipeline'");
}

TEST_F(PipelineDirectoryTest, NamesAMissingPart) {
  fs::remove_all(model_ / "vae");
  const PipelineDirectory pipeline(model_, "");
  EXPECT_SDXL_ERROR(pipeline.part("vae"), ExitStatus::kBadData, "has no folder vae/");
}

TEST_F(PipelineDirectoryTest, ReadsEachTokenizerOnce) {
  const PipelineDirectory pipeline(model_, "");
  EXPECT_EQ(pipeline.tokenizer(1), pipeline.tokenizer(1));
  EXPECT_NE(pipeline.tokenizer(1), pipeline.tokenizer(2));
}

TEST_F(PipelineDirectoryTest, UsesZerosForAnAbsentNegativePromptUnlessTheIndexSaysOtherwise) {
  EXPECT_TRUE(PipelineDirectory(model_, "").force_zeros_for_empty_prompt());
  Json index = read_json(model_ / "model_index.json");
  index["force_zeros_for_empty_prompt"] = false;
  write_json(model_ / "model_index.json", index);
  EXPECT_FALSE(PipelineDirectory(model_, "").force_zeros_for_empty_prompt());
}

TEST(ArchitectureOf, LeavesOutNotesVersionsAndTheDtypeOfFiles) {
  const Json config = {{"_class_name", "UNet2DConditionModel"},
                       {"_name_or_path", "somewhere"},
                       {"torch_dtype", "float16"},
                       {"transformers_version", "5.17.0"},
                       {"in_channels", 4}};
  EXPECT_EQ(architecture_of(config), Json({{"in_channels", 4}}));
}

TEST(VaeDtype, IsFloat32InsteadOfFp16OnlyWhereTheConfigForcesIt) {
  AutoencoderKLConfig config = read_vae_config(fs::path(kTinyModel) / "vae");
  EXPECT_EQ(vae_dtype(config, at::kHalf), at::kFloat);
  EXPECT_EQ(vae_dtype(config, at::kBFloat16), at::kBFloat16);
  config.force_upcast = false;
  EXPECT_EQ(vae_dtype(config, at::kHalf), at::kHalf);
}

}  // namespace
}  // namespace sdxl
