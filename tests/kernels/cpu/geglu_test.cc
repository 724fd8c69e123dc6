// GEGLU against LibTorch's operators.
#include "kernels/cpu/geglu.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace sdxl {
namespace {

TEST(GegluKernel, EqualsValuesTimesGeluOfGates) {
  const at::Tensor input = at::linspace(-12, 12, 6 * 2 * 40).view({2, 3, 80}).flip(0);
  const auto halves = input.to(at::kDouble).chunk(2, -1);
  const at::Tensor expected = halves[0] * at::gelu(halves[1]);
  EXPECT_LT(largest_difference(geglu_forward(input), expected), 2e-5);
  EXPECT_LT(largest_difference(geglu_forward(input.to(at::kBFloat16)), expected), 1.0);
}

TEST(GegluKernel, LetsNaNThrough) {
  const at::Tensor output = geglu_forward(at::full({1, 2}, std::nan("")));
  EXPECT_TRUE(output.isnan().all().item<bool>());
}

}  // namespace
}  // namespace sdxl
