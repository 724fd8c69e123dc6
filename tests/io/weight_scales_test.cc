// 8-bit weights with scales. tools/reference/weight_scales.py made the files with convert-to-quant,
// and the numbers that their weights stand for.
#include "io/weight_scales.h"

#include <gtest/gtest.h>

#include "io/pretrained.h"
#include "support/expect_error.h"
#include "support/temporary_directory.h"

namespace sdxl {
namespace {

const std::string kFiles = SDXL_TEST_DATA "/safetensors/scaled/";

class ScaledWeights : public testing::TestWithParam<const char*> {};

TEST_P(ScaledWeights, AreTheirCodesTimesTheirScales) {
  const Weights weights = Weights::open_file(kFiles + GetParam() + ".safetensors");
  EXPECT_EQ(weights.names(),
            (std::vector<std::string>{"layer.bias", "layer.weight", "norm.weight"}));
  const at::Tensor expected = SafetensorsFile(kFiles + "expected.safetensors").tensor(GetParam());
  EXPECT_TRUE(weights.tensor("layer.weight").equal(expected));
  EXPECT_EQ(weights.sizes("layer.weight"), expected.sizes().vec());
}

INSTANTIATE_TEST_SUITE_P(Files, ScaledWeights,
                         testing::Values("fp8", "fp8_rows", "fp8_blocks", "fp8_old", "int8",
                                         "int8_rows"));

TEST(WeightScales, AreCutWithTheRowsOfTheirWeight) {
  const at::Tensor whole = SafetensorsFile(kFiles + "expected.safetensors").tensor("fp8_rows");
  const Weights weights =
      Weights::open_parts(kFiles + "fp8_rows.safetensors",
                          {{"second", {"layer.weight", 16, 16, false, false, {16, 48}}}});
  EXPECT_TRUE(weights.tensor("second").equal(whole.narrow(0, 16, 16)));
}

TEST(WeightScales, AreRefusedWhereWeightsWereRotated) {
  EXPECT_SDXL_ERROR(Weights::open_file(kFiles + "rotated.safetensors"), ExitStatus::kBadData,
                    "weights with 'convrot' true are not supported");
}

/// Opens a file of one weight with `scale` beside it.
Weights open_with(const at::Tensor& weight, const std::string& name, const at::Tensor& scale) {
  const test::TemporaryDirectory directory;
  write_safetensors(directory / "w.safetensors", {{"x.weight", weight}, {name, scale}});
  return Weights::open_file(directory / "w.safetensors");
}

TEST(WeightScales, MustFit) {
  const at::Tensor codes = at::ones({6, 4}, at::kChar);
  EXPECT_SDXL_ERROR(open_with(codes, "x.weight_scale", at::ones({4})), ExitStatus::kBadData,
                    "'x.weight_scale' of shape [4] does not fit a weight of type I8");
  EXPECT_SDXL_ERROR(open_with(codes, "x.weight_scale", at::ones({4, 1})), ExitStatus::kBadData,
                    "does not fit a weight");
  EXPECT_SDXL_ERROR(open_with(codes.to(at::kFloat), "x.weight_scale", at::ones({})),
                    ExitStatus::kBadData, "does not fit a weight of type F32");
  EXPECT_SDXL_ERROR(open_with(codes, "y.weight_scale", at::ones({})), ExitStatus::kBadData,
                    "'x.weight' is int8 and has no scale beside it");
}

TEST(WeightScales, AreRefusedInAnUnknownFormat) {
  const std::string text = R"({"format": "nvfp4"})";
  const at::Tensor bytes =
      at::tensor(std::vector<uint8_t>(text.begin(), text.end()), at::TensorOptions(at::kByte));
  EXPECT_SDXL_ERROR(open_with(at::ones({2, 2}), "x.comfy_quant", bytes), ExitStatus::kBadData,
                    "weights in the format 'nvfp4' are not supported");
}

}  // namespace
}  // namespace sdxl
