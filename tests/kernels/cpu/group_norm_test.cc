// Group normalisation against LibTorch's operators.
#include "kernels/cpu/group_norm.h"

#include <gtest/gtest.h>

#include "support/tensors.h"

namespace sdxl {
namespace {

at::Tensor expected_norm(const at::Tensor& input, const at::Tensor& shift, const at::Tensor& weight,
                         const at::Tensor& bias, const GroupNormOptions& options) {
  at::Tensor x = input.to(at::kDouble);
  if (shift.defined()) x = x + shift.to(at::kDouble).unsqueeze(-1).unsqueeze(-1);
  x = at::group_norm(x, options.groups, weight.to(at::kDouble), bias.to(at::kDouble), options.eps);
  return options.silu ? at::silu(x) : x;
}

class GroupNormKernel : public testing::TestWithParam<at::ScalarType> {};

TEST_P(GroupNormKernel, NormalisesShiftsAndActivates) {
  const double tolerance = GetParam() == at::kFloat ? 1e-5 : 4e-2;
  at::manual_seed(3);
  const at::Tensor input = (at::randn({2, 48, 9, 13}) * 2 + 5).to(GetParam());
  const at::Tensor shift = at::randn({2, 48}).to(GetParam());
  const at::Tensor weight = at::randn({48}).to(GetParam()), bias = at::randn({48}).to(GetParam());
  for (const bool silu : {false, true}) {
    for (const at::Tensor& moved : {at::Tensor(), shift}) {
      const GroupNormOptions options{16, 1e-5, silu};
      const at::Tensor output = group_norm_forward(input, moved, weight, bias, options).output;
      EXPECT_LT(largest_difference(output, expected_norm(input, moved, weight, bias, options)),
                tolerance);
      EXPECT_TRUE(output.is_contiguous(at::MemoryFormat::ChannelsLast));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GroupNormKernel, testing::Values(at::kFloat, at::kBFloat16));

TEST(GroupNormKernelPrecision, KeepsDigitsFarFromZero) {
  at::manual_seed(4);
  const at::Tensor input = at::randn({1, 32, 32, 32}) + 1000;
  const at::Tensor one = at::ones({32}), zero = at::zeros({32});
  const at::Tensor output = group_norm_forward(input, {}, one, zero, {32, 1e-5, false}).output;
  EXPECT_LT(largest_difference(output, expected_norm(input, {}, one, zero, {32, 1e-5, false})),
            2e-4);
}

}  // namespace
}  // namespace sdxl
