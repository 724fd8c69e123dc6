#include "kernels/cpu/packed_weights.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

class PackedWeights : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    weight_ = at::randn({48, 32}).to(GetParam());
    kernel_ = at::randn({24, 16, 3, 3}).to(GetParam());
    if (!is_packed(packed_linear_weight(weight_))) GTEST_SKIP() << "nothing is packed here";
  }
  static bool close(const at::Tensor& a, const at::Tensor& b) {
    const double tolerance = GetParam() == at::kFloat ? 1e-5 : 2e-2;
    return at::allclose(a.to(at::kFloat), b.to(at::kFloat), tolerance, tolerance * 10);
  }

  at::Tensor weight_, kernel_;
};

TEST_P(PackedWeights, MultiplyAsPlainOnes) {
  const at::Tensor input = at::randn({2, 5, 32}).to(GetParam());
  const at::Tensor bias = at::randn({48}).to(GetParam());
  const at::Tensor residual = at::randn({2, 5, 48}).to(GetParam());
  const at::Tensor packed = packed_linear_weight(weight_);
  const at::Tensor expected = at::linear(input, weight_, bias);
  EXPECT_TRUE(close(packed_linear(input, packed, bias), expected));
  EXPECT_TRUE(close(packed_linear(input, packed, bias, residual), expected + residual));
  EXPECT_TRUE(close(packed_linear(input, packed, {}), at::linear(input, weight_)));
}

TEST_P(PackedWeights, ConvolveAsPlainOnes) {
  const at::Tensor input =
      at::randn({2, 16, 9, 8}).to(GetParam()).contiguous(at::MemoryFormat::ChannelsLast);
  const at::Tensor bias = at::randn({24}).to(GetParam());
  for (const ConvGeometry geometry : {ConvGeometry{1, 1}, ConvGeometry{2, 0}}) {
    const at::Tensor packed = packed_conv_weight(kernel_, geometry);
    const at::Tensor expected = at::conv2d(input, kernel_, bias, geometry.stride, geometry.padding);
    EXPECT_TRUE(close(packed_conv2d(input, packed, bias, geometry), expected));
    const at::Tensor residual = at::randn_like(expected);
    EXPECT_TRUE(close(packed_conv2d(input, packed, bias, geometry, residual), expected + residual));
  }
}

TEST_P(PackedWeights, ConvolveMapsOfOneCell) {
  const at::Tensor bias = at::randn({24}).to(GetParam());
  const at::Tensor packed = packed_conv_weight(kernel_, {1, 1});
  for (const int64_t batch : {1, 2}) {
    const at::Tensor input = at::randn({batch, 16, 1, 1}).to(GetParam());
    const at::Tensor expected = at::conv2d(input, kernel_, bias, 1, 1);
    const at::Tensor residual = at::randn_like(expected);
    EXPECT_TRUE(close(packed_conv2d(input, packed, bias, {1, 1}, residual), expected + residual));
  }
}

TEST_P(PackedWeights, AreUnpackedToTheBit) {
  const at::Tensor packed = packed_linear_weight(weight_);
  EXPECT_EQ(packed.scalar_type(), GetParam());
  EXPECT_TRUE(at::equal(unpacked(packed), weight_));
  EXPECT_TRUE(at::equal(unpacked(packed_conv_weight(kernel_, {1, 1})), kernel_));
}

INSTANTIATE_TEST_SUITE_P(Types, PackedWeights, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace sdxl
