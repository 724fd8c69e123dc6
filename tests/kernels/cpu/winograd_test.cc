#include "kernels/cpu/winograd.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "kernels/fused_ops.h"

namespace sdxl {
namespace {

struct Sizes {
  int64_t batch, inputs, outputs, height, width;
};

/// Several groups of tiles, sides that are no multiples of a tile, panels of fewer than 64
/// channels.
const Sizes kSizes[] = {{1, 64, 64, 8, 8},    {2, 80, 112, 7, 9}, {3, 128, 64, 33, 30},
                        {1, 576, 80, 12, 16}, {2, 64, 192, 1, 3}, {1, 64, 128, 90, 70}};

class Winograd : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!winograd_takes(at::empty({64, 64, 3, 3}, GetParam()))) GTEST_SKIP();
    at::manual_seed(3);
  }
  void make(const Sizes& sizes) {
    input_ = at::randn({sizes.batch, sizes.inputs, sizes.height, sizes.width}).to(GetParam());
    input_ = input_.contiguous(at::MemoryFormat::ChannelsLast);
    weight_ = (at::randn({sizes.outputs, sizes.inputs, 3, 3}) / 30).to(GetParam());
    bias_ = at::randn({sizes.outputs}).to(GetParam());
    residual_ = at::randn({sizes.batch, sizes.outputs, sizes.height, sizes.width}).to(GetParam());
  }
  /// The error of `ours` beside the exact numbers' size.
  static double error(const at::Tensor& ours, const at::Tensor& exact) {
    return ((ours.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
  }
  double bound() const { return GetParam() == at::kFloat ? 5e-6 : 6e-3; }

  at::Tensor input_, weight_, bias_, residual_;
};

TEST_P(Winograd, EqualsConv2d) {
  for (const Sizes& sizes : kSizes) {
    make(sizes);
    const at::Tensor exact =
        at::conv2d(input_.to(at::kDouble), weight_.to(at::kDouble), bias_.to(at::kDouble), 1, 1) +
        residual_.to(at::kDouble);
    for (const auto tile : {WinogradTile::k2x2, WinogradTile::k4x4}) {
      const at::Tensor ours = winograd_conv2d(input_, weight_, bias_, residual_, tile);
      EXPECT_LT(error(ours, exact), bound()) << static_cast<int>(tile);
    }
  }
}

TEST_P(Winograd, HasTheGradientsOfConv2d) {
  for (const Sizes& sizes : kSizes) {
    make(sizes);
    std::vector<at::Tensor> ours, exact;
    for (const at::Tensor& tensor : {input_, weight_, bias_, residual_}) {
      ours.push_back(tensor.clone().set_requires_grad(true));
      exact.push_back(tensor.to(at::kDouble).set_requires_grad(true));
    }
    const at::Tensor gradient = at::randn_like(residual_);
    winograd_conv2d_op(ours[0], ours[1], ours[2], ours[3]).backward(gradient);
    (at::conv2d(exact[0], exact[1], exact[2], 1, 1) + exact[3]).backward(gradient.to(at::kDouble));
    for (size_t i = 0; i < ours.size(); ++i) {
      EXPECT_LT(error(ours[i].grad(), exact[i].grad()), bound()) << i;
    }
  }
}

TEST_P(Winograd, IsTheSameToTheBitForAnyThreadsAndBatch) {
  make({3, 128, 80, 30, 33});
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> outputs, gradients;
  for (const int count : {1, 2, 5}) {
    at::set_num_threads(count);
    outputs.push_back(winograd_conv2d(input_, weight_, bias_));
    gradients.push_back(winograd_weight_gradient(residual_, input_));
  }
  at::set_num_threads(threads);
  for (int i = 1; i < 3; ++i) {
    EXPECT_TRUE(at::equal(outputs[0], outputs[i]));
    EXPECT_TRUE(at::equal(gradients[0], gradients[i]));
  }
  EXPECT_TRUE(at::equal(winograd_conv2d(input_.narrow(0, 1, 1), weight_, bias_),
                        outputs[0].narrow(0, 1, 1)));
}

TEST_P(Winograd, KeepsNoInputForAFrozenWeight) {
  make({1, 64, 64, 8, 8});
  const at::Tensor leaf = input_.clone().set_requires_grad(true);
  const at::Tensor input = leaf * 2;
  const auto owners = input.storage().use_count();
  const at::Tensor output = winograd_conv2d_op(input, weight_, bias_);
  ASSERT_TRUE(output.requires_grad());
  EXPECT_EQ(input.storage().use_count(), owners);
}

TEST_P(Winograd, LeavesOtherKernelsAlone) {
  EXPECT_FALSE(winograd_takes(at::empty({64, 64, 1, 1}, GetParam())));
  EXPECT_FALSE(winograd_takes(at::empty({64, 4, 3, 3}, GetParam())));
  EXPECT_FALSE(winograd_takes(at::empty({64, 64, 3, 3}, at::kHalf)));
}

INSTANTIATE_TEST_SUITE_P(Types, Winograd, testing::Values(at::kFloat, at::kBFloat16),
                         [](const auto& info) { return c10::toString(info.param); });

}  // namespace
}  // namespace sdxl
