// Full training takes over the memory of weights that is the model's own, and copies what is not.
#include "training/trainables/full_unet.h"

#include <gtest/gtest.h>

#include "io/pretrained.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {
namespace {

const std::filesystem::path kUNet = SDXL_TEST_DATA "/tiny-sdxl/unet";

std::shared_ptr<UNet2DConditionModel> empty_unet() {
  return std::make_shared<UNet2DConditionModel>(read_unet_config(kUNet));
}

std::vector<const void*> addresses(UNet2DConditionModel& unet) {
  std::vector<const void*> result;
  for (const NamedParameter& parameter : unet.parameters()) {
    result.push_back(parameter.tensor->const_data_ptr());
  }
  return result;
}

TEST(FullUNet, TrainsWeightsOfItsOwnWhereTheyLie) {
  const auto unet = empty_unet();
  unet->initialize(1, {at::kCPU, at::kFloat});
  const std::vector<const void*> before = addresses(*unet);
  const FullUNet training(unet, {});
  EXPECT_EQ(addresses(*unet), before);
  EXPECT_EQ(training.parameter_groups()[0].tensors[0].value.const_data_ptr(), before[0]);
}

TEST(FullUNet, CopiesWeightsOfAMappedFile) {
  const auto unet = empty_unet();
  const Weights weights = Weights::open(kUNet, "diffusion_pytorch_model");
  FullUNetOptions options;
  options.compute_dtype =
      weights.tensor("conv_in.weight").scalar_type();  // so that none is converted
  unet->load(weights, {at::kCPU, options.compute_dtype});
  const std::vector<const void*> before = addresses(*unet);
  const FullUNet training(unet, options);
  const std::vector<const void*> after = addresses(*unet);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NE(after[i], before[i]) << i;
}

}  // namespace
}  // namespace sdxl
