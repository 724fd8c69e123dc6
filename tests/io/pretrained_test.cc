// Directories in diffusers' layout, intact and broken.
#include "io/pretrained.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

constexpr const char* kStem = "diffusion_pytorch_model";

/// A model's directory, to which each test adds files.
class Pretrained : public testing::Test {
 protected:
  fs::path file(const std::string& suffix) const { return directory_ / (kStem + suffix); }
  void write(const std::string& suffix, float value, const std::string& name = "w") {
    write_safetensors(file(suffix), {{name, at::full({2}, value)}});
  }
  void write_index(const std::string& suffix, const Json& map) {
    write_json(file(suffix), {{"metadata", {{"total_size", 16}}}, {"weight_map", map}});
  }
  Weights open(const std::string& variant = "") const {
    return Weights::open(directory_.path(), kStem, variant);
  }
  float value(const Weights& weights, const std::string& name = "w") const {
    return weights.tensor(name)[0].item<float>();
  }

  test::TemporaryDirectory directory_;
};

TEST_F(Pretrained, OpensOneFile) {
  write(".safetensors", 3);
  EXPECT_EQ(value(open()), 3);
  EXPECT_EQ(open().names(), std::vector<std::string>{"w"});
}

TEST_F(Pretrained, PrefersTheVariantToThePlainFile) {
  write(".safetensors", 1);
  write(".fp16.safetensors", 2);
  EXPECT_EQ(value(open("fp16")), 2);
  EXPECT_EQ(value(open("bf16")), 1);
  EXPECT_EQ(value(open()), 1);
}

TEST_F(Pretrained, OpensShardsOfBothNamings) {
  write("-00001-of-00002.fp16.safetensors", 1, "a");
  write(".fp16-00002-of-00002.safetensors", 2, "b");
  write_index(".safetensors.index.fp16.json",
              {{"a", "diffusion_pytorch_model-00001-of-00002.fp16.safetensors"},
               {"b", "diffusion_pytorch_model.fp16-00002-of-00002.safetensors"}});
  const Weights weights = open("fp16");
  EXPECT_EQ(value(weights, "a"), 1);
  EXPECT_EQ(value(weights, "b"), 2);
}

TEST_F(Pretrained, RenamesAndDropsTensors) {
  TensorMap tensors = {{"text_model.a", at::ones({1})}, {"position_ids", at::zeros({1})}};
  const Weights weights = Weights::from_tensors(tensors, "memory").renamed([](const auto& name) {
    return name == "position_ids" ? "" : name.substr(name.find('.') + 1);
  });
  EXPECT_EQ(weights.names(), std::vector<std::string>{"a"});
  EXPECT_EQ(weights.tensor("a").item<float>(), 1);
  EXPECT_SDXL_ERROR(weights.renamed([](const auto&) { return "b"; }).tensor("c"),
                    ExitStatus::kBadData, "memory has no tensor 'c'");
}

TEST_F(Pretrained, RefusesShardsOutsideTheDirectory) {
  write(".safetensors", 1);
  for (const char* name :
       {"../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "a\\b.safetensors", "..",
        ".safetensors", "", "x.bin", ".x.safetensors"}) {
    fs::remove(file(".safetensors"));
    write_index(".safetensors.index.json", {{"w", name}});
    EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, str("as a shard"));
  }
}

TEST_F(Pretrained, RefusesIndexesThatDoNotMatchTheShards) {
  const std::string one = str(kStem, "-1.safetensors"), two = str(kStem, "-2.safetensors");
  write_index(".safetensors.index.json", {{"a", one}});
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "is missing: fetch the model again");
  write("-1.safetensors", 1, "b");
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "tensor 'a' is not in ");
  write_index(".safetensors.index.json", {{"b", one}, {"c", two}});
  write_safetensors(file("-2.safetensors"), {{"b", at::ones({1})}, {"c", at::ones({1})}});
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "tensor 'b' is in two files");
  write_index(".safetensors.index.json", Json::array());
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "has no object \"weight_map\"");
}

TEST_F(Pretrained, RefusesPicklesWithTheWayToConvertThem) {
  write_file_atomically(file(".bin"), "PK");
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "save_pretrained(DIR)");
  EXPECT_SDXL_ERROR(Weights::open_file(file(".bin")), ExitStatus::kBadData, "save_pretrained(DIR)");
  fs::remove(file(".bin"));
  write_file_atomically(directory_ / "model_state.pdparams", "");
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "to_diffusers=True");
}

TEST_F(Pretrained, DescribesADirectoryWithoutWeights) {
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "not a model's directory");
  write(".fp16.safetensors", 1);
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData,
                    "only the variant 'fp16': name it with --variant");
  fs::rename(file(".fp16.safetensors"), directory_ / "sd_xl_base_1.0.safetensors");
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData,
                    "'sd_xl_base_1.0.safetensors': a checkpoint in one");
  write_file_atomically(directory_ / "model_index.json", "{}");
  EXPECT_SDXL_ERROR(open(), ExitStatus::kBadData, "is a whole pipeline");
  EXPECT_SDXL_ERROR(Weights::open("/nowhere", kStem), ExitStatus::kBadData,
                    "no directory '/nowhere'");
  EXPECT_SDXL_ERROR(Weights::open(directory_ / "model_index.json", kStem), ExitStatus::kBadData,
                    "is not a directory");
}

TEST_F(Pretrained, ReadsAConfigOfTheRightClass) {
  EXPECT_SDXL_ERROR(read_component_config(directory_.path(), "AutoencoderKL"), ExitStatus::kBadData,
                    "no config.json in ");
  write_file_atomically(directory_ / "config.json", R"({"_class_name": "AutoencoderKL", "x": 1})");
  EXPECT_EQ(read_component_config(directory_.path(), "AutoencoderKL")["x"], 1);
  EXPECT_SDXL_ERROR(read_component_config(directory_.path(), "UNet2DConditionModel"),
                    ExitStatus::kBadData,
                    "is of class 'AutoencoderKL' where UNet2DConditionModel is needed");
  write_file_atomically(directory_ / "config.json", "[]");
  EXPECT_SDXL_ERROR(read_component_config(directory_.path(), "AutoencoderKL"), ExitStatus::kBadData,
                    "does not hold a JSON object");
}

TEST_F(Pretrained, SplitsShardsAsDiffusersDoes) {
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, size] : std::vector<std::pair<std::string, int64_t>>{
           {"d", 600}, {"c", 400}, {"b", 4}, {"a", 1200}, {"z", 900}, {"y", 96}, {"x", 8}}) {
    tensors.emplace_back(name, at::full({size}, size % 100, at::kByte));
  }
  write_pretrained_weights(directory_.path(), kStem, tensors, 1000);
  EXPECT_EQ(read_file(file(".safetensors.index.json")),
            read_file(SDXL_TEST_DATA "/safetensors/shards.index.json"));
  const Weights weights = open();
  for (const auto& [name, tensor] : tensors) EXPECT_TRUE(at::equal(weights.tensor(name), tensor));
}

TEST_F(Pretrained, WritesOneFileBelowTheLimit) {
  write_pretrained_weights(directory_.path(), "model", {{"a", at::ones({3})}});
  EXPECT_TRUE(fs::exists(directory_ / "model.safetensors"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_.path()), {}), 1);
}

}  // namespace
}  // namespace sdxl
