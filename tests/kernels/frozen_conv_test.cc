#include "kernels/frozen_conv.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

TEST(FrozenConv, HasTheSameGradientAsConv2d) {
  at::manual_seed(1);
  for (const auto format : {at::MemoryFormat::Contiguous, at::MemoryFormat::ChannelsLast}) {
    for (const int64_t stride : {1, 2}) {
      const at::Tensor weight = at::randn({6, 4, 3, 3}), bias = at::randn({6});
      const at::Tensor picture = at::randn({2, 4, 9, 8}).contiguous(format);
      const at::Tensor ours = picture.clone().set_requires_grad(true);
      const at::Tensor plain = picture.clone().set_requires_grad(true);
      const at::Tensor output = frozen_conv2d(ours, weight, bias, stride, 1);
      const at::Tensor expected = at::conv2d(plain, weight, bias, stride, 1);
      EXPECT_TRUE(at::equal(output, expected));
      const at::Tensor gradient = at::randn_like(expected);
      output.backward(gradient);
      expected.backward(gradient);
      EXPECT_TRUE(at::allclose(ours.grad(), plain.grad(), 1e-5, 1e-6));
    }
  }
}

TEST(FrozenConv, KeepsNoInput) {
  const at::Tensor weight = at::randn({6, 4, 3, 3}), bias = at::randn({6});
  const at::Tensor leaf = at::randn({1, 4, 8, 8}).set_requires_grad(true);
  const at::Tensor input = leaf * 2;
  const auto owners = input.storage().use_count();
  const at::Tensor output = frozen_conv2d(input, weight, bias, 1, 1);
  ASSERT_TRUE(output.requires_grad());
  EXPECT_EQ(input.storage().use_count(), owners);
}

}  // namespace
}  // namespace sdxl
