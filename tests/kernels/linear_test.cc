// Linear layers by our own products against LibTorch's in float64.
#include "kernels/linear.h"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>

namespace sdxl {
namespace {

struct Case {
  int64_t rows, in, out;
  at::ScalarType dtype;
};
void PrintTo(const Case& c, std::ostream* out) {
  *out << c.rows << " x " << c.in << " -> " << c.out << " " << at::toString(c.dtype);
}

/// Relative to the largest value.
double error_of(const at::Tensor& found, const at::Tensor& expected) {
  const at::Tensor difference = found.to(at::kDouble) - expected.to(at::kDouble);
  return (difference.abs().max() / expected.to(at::kDouble).abs().max()).item<double>();
}

at::Tensor leaf(at::IntArrayRef sizes, at::ScalarType dtype) {
  return at::randn(sizes, at::kFloat).to(dtype).requires_grad_(true);
}

at::Tensor double_leaf(const at::Tensor& tensor) {
  return tensor.detach().to(at::kDouble).requires_grad_(true);
}

class CpuLinear : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    at::manual_seed(1);
    const Case& c = GetParam();
    input_ = leaf({2, c.rows, c.in}, c.dtype);
    weight_ = leaf({c.out, c.in}, c.dtype);
    bias_ = leaf({c.out}, c.dtype);
    residual_ = leaf({2, c.rows, c.out}, c.dtype);
    upstream_ = at::randn({2, c.rows, c.out}, at::kFloat).to(c.dtype);
    tolerance_ = c.dtype == at::kFloat ? 2e-6 : 6e-3;
    if (!cpu_linear_takes(input_, weight_)) GTEST_SKIP();
  }
  at::Tensor input_, weight_, bias_, residual_, upstream_;
  double tolerance_ = 0;
};

TEST_P(CpuLinear, HasTheOutputAndTheGradientsOfTheFormula) {
  const at::Tensor output = cpu_linear(input_, weight_, bias_, residual_);
  output.backward(upstream_);
  std::vector<at::Tensor> leaves;
  for (const at::Tensor& tensor : {input_, weight_, bias_, residual_}) {
    leaves.push_back(double_leaf(tensor));
  }
  const at::Tensor expected = at::linear(leaves[0], leaves[1], leaves[2]) + leaves[3];
  expected.backward(upstream_.to(at::kDouble));
  EXPECT_LT(error_of(output, expected), tolerance_);
  size_t i = 0;
  for (const at::Tensor& tensor : {input_, weight_, bias_, residual_}) {
    EXPECT_LT(error_of(tensor.grad(), leaves[i++].grad()), tolerance_) << i;
  }
}

TEST_P(CpuLinear, AddsAnAdapterWithFloat32Gradients) {
  const int64_t rank = 4;
  const at::Tensor down = leaf({rank, weight_.size(1)}, at::kFloat);
  const at::Tensor up = leaf({weight_.size(0), rank}, at::kFloat);
  const at::Tensor weight = weight_.detach(), bias = bias_.detach();
  const at::Tensor output = cpu_lora_linear(input_, weight, bias, down, up, 0.5);
  output.backward(upstream_);
  const at::Tensor x = double_leaf(input_), a = double_leaf(down), b = double_leaf(up);
  const at::Tensor expected = at::linear(x, weight.to(at::kDouble), bias.to(at::kDouble)) +
                              0.5 * at::linear(at::linear(x, a), b);
  expected.backward(upstream_.to(at::kDouble));
  EXPECT_LT(error_of(output, expected), tolerance_);
  EXPECT_LT(error_of(input_.grad(), x.grad()), tolerance_);
  EXPECT_LT(error_of(down.grad(), a.grad()), tolerance_);
  EXPECT_LT(error_of(up.grad(), b.grad()), tolerance_);
  EXPECT_EQ(up.grad().scalar_type(), at::kFloat);
}

TEST_P(CpuLinear, GivesTheSameBitsForAnyNumberOfThreads) {
  const int threads = at::get_num_threads();
  std::vector<at::Tensor> outputs, gradients;
  for (const int count : {1, 2, 5}) {
    at::set_num_threads(count);
    weight_.mutable_grad().reset();
    outputs.push_back(cpu_linear(input_, weight_, bias_));
    outputs.back().backward(upstream_);
    gradients.push_back(weight_.grad());
  }
  at::set_num_threads(threads);
  for (size_t i = 1; i < outputs.size(); ++i) {
    EXPECT_TRUE(at::equal(outputs[0], outputs[i]));
    EXPECT_TRUE(at::equal(gradients[0], gradients[i]));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, CpuLinear,
    testing::Values(Case{1, 16, 16, at::kFloat}, Case{77, 528, 176, at::kFloat},
                    Case{300, 64, 320, at::kFloat}, Case{1, 16, 16, at::kBFloat16},
                    Case{77, 1040, 176, at::kBFloat16}, Case{301, 64, 320, at::kBFloat16}));

TEST(CpuLinearLimits, LeavesOtherWidthsToLibTorch) {
  EXPECT_FALSE(cpu_linear_takes(at::ones({4, 8}), at::ones({16, 8})));
}

}  // namespace
}  // namespace sdxl
