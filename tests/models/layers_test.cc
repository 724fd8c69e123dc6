#include "models/layers.h"

#include <gtest/gtest.h>

#include "kernels/cpu/packed_weights.h"

namespace sdxl {
namespace {

struct OneLayer : Module {
  Linear layer{this, "layer", 32, 48};
};

class LayersForInference : public testing::TestWithParam<at::ScalarType> {
 protected:
  static bool close(const at::Tensor& a, const at::Tensor& b) {
    const double tolerance = GetParam() == at::kFloat ? 1e-5 : 2e-2;
    return at::allclose(a.to(at::kFloat), b.to(at::kFloat), tolerance, tolerance * 10);
  }
};

TEST_P(LayersForInference, KeepPackedWeights) {
  at::manual_seed(1);
  const at::Tensor weight = at::randn({48, 32}).to(GetParam());
  if (!is_packed(packed_linear_weight(weight))) GTEST_SKIP() << "nothing is packed here";
  const at::Tensor bias = at::randn({48}).to(GetParam());
  const at::Tensor input = at::randn({3, 32}).to(GetParam());
  OneLayer model;
  model.load(Weights::from_tensors({{"layer.weight", weight}, {"layer.bias", bias}}, "a test"),
             {at::kCPU, GetParam(), /*for_inference=*/true});
  EXPECT_TRUE(is_packed(model.layer.weight));
  EXPECT_TRUE(close(model.layer.forward(input), at::linear(input, weight, bias)));

  const at::Tensor other = at::randn({48, 32}).to(GetParam());
  model.layer.replace(model.layer.weight, other);
  EXPECT_TRUE(close(model.layer.forward(input), at::linear(input, other, bias)));
}

INSTANTIATE_TEST_SUITE_P(Types, LayersForInference, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace sdxl
