// Gradients of the fused operators against those of LibTorch's in float64.
#include "kernels/fused_ops.h"

#include <gtest/gtest.h>

#include "kernels/cpu/attention.h"

namespace sdxl {
namespace {

using Operator = std::function<at::Tensor(const std::vector<at::Tensor>&)>;

/// Gradients of the sum of op(inputs) * weights, the inputs cast to `dtype`.
std::vector<at::Tensor> gradients(const Operator& op, const std::vector<at::Tensor>& inputs,
                                  const at::Tensor& weights, at::ScalarType dtype) {
  std::vector<at::Tensor> leaves, result;
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.to(dtype, false, true).requires_grad_(true));
  (op(leaves) * weights.to(dtype)).sum().backward();
  for (const at::Tensor& leaf : leaves) result.push_back(leaf.grad().to(at::kDouble));
  return result;
}

void expect_close(const std::vector<at::Tensor>& actual, const std::vector<at::Tensor>& expected,
                  double tolerance) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const double scale = expected[i].abs().max().item<double>();
    EXPECT_LT((actual[i] - expected[i]).abs().max().item<double>(), tolerance * scale)
        << "input " << i;
  }
}

class CpuOps : public testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override { at::manual_seed(5); }
  /// A random tensor whose numbers the dtype can hold.
  static at::Tensor random(at::IntArrayRef shape) {
    return at::randn(shape, at::kFloat).to(GetParam()).to(at::kDouble);
  }
  static double tolerance() { return GetParam() == at::kFloat ? 1e-5 : 3e-2; }
};

TEST_P(CpuOps, GroupNormHasTheGradientsOfItsParts) {
  const std::vector<at::Tensor> inputs = {random({2, 24, 9, 10}) + 1, random({2, 24}), random({24}),
                                          random({24})};
  const at::Tensor weights = random({2, 24, 9, 10});
  for (const int64_t groups : {8, 1}) {
    for (const bool silu : {false, true}) {
      const Operator parts = [=](const std::vector<at::Tensor>& x) {
        const at::Tensor y =
            at::group_norm(x[0] + x[1].unsqueeze(-1).unsqueeze(-1), groups, x[2], x[3], 1e-5);
        return silu ? at::silu(y) : y;
      };
      const Operator fused = [=](const std::vector<at::Tensor>& x) {
        return *fused_group_norm(x[0], x[1], x[2], x[3], {groups, 1e-5, silu});
      };
      expect_close(gradients(fused, inputs, weights, GetParam()),
                   gradients(parts, inputs, weights, at::kDouble), tolerance());
    }
  }
}

TEST_P(CpuOps, GegluHasTheGradientOfItsParts) {
  const std::vector<at::Tensor> inputs = {random({3, 5, 64}) * 3};
  const at::Tensor weights = random({3, 5, 32});
  const Operator parts = [](const std::vector<at::Tensor>& x) {
    const auto halves = x[0].chunk(2, -1);
    return halves[0] * at::gelu(halves[1]);
  };
  const Operator fused = [](const std::vector<at::Tensor>& x) { return *fused_geglu(x[0]); };
  expect_close(gradients(fused, inputs, weights, GetParam()),
               gradients(parts, inputs, weights, at::kDouble), tolerance());
}

TEST_P(CpuOps, ConvolutionsHaveTheGradientsOfLibTorchs) {
  for (const int64_t side : {1, 3}) {
    const std::vector<at::Tensor> inputs = {random({2, 20, 7, 6}), random({12, 20, side, side}),
                                            random({12})};
    const at::Tensor weights = random({2, 12, 7, 6});
    const Operator parts = [side](const std::vector<at::Tensor>& x) {
      return at::conv2d(x[0], x[1], x[2], 1, side / 2);
    };
    const Operator fused = [](const std::vector<at::Tensor>& x) {
      return cpu_conv2d(x[0], x[1], x[2]);
    };
    expect_close(gradients(fused, inputs, weights, GetParam()),
                 gradients(parts, inputs, weights, at::kDouble), tolerance());
  }
}

TEST_P(CpuOps, AttentionHasTheGradientOfTheFormula) {
  const std::vector<at::Tensor> inputs = {random({2, 70, 64}), random({2, 77, 64}),
                                          random({2, 77, 64})};
  const at::Tensor probe = inputs[0].to(GetParam()), weights = random({2, 70, 64});
  if (!cpu_attention_takes(probe, probe, probe, 2)) GTEST_SKIP();
  const Operator parts = [](const std::vector<at::Tensor>& x) {
    std::vector<at::Tensor> split;
    for (const at::Tensor& t : x) split.push_back(t.unflatten(-1, {2, 32}).transpose(1, 2));
    const at::Tensor scores = at::matmul(split[0], split[1].transpose(-1, -2)) / std::sqrt(32.0);
    return at::matmul(scores.softmax(-1), split[2]).transpose(1, 2).flatten(2);
  };
  const Operator fused = [](const std::vector<at::Tensor>& x) {
    return cpu_attention_op(x[0], x[1], x[2], 2);
  };
  expect_close(gradients(fused, inputs, weights, GetParam()),
               gradients(parts, inputs, weights, at::kDouble), tolerance());
}

INSTANTIATE_TEST_SUITE_P(Types, CpuOps, testing::Values(at::kFloat, at::kBFloat16));

}  // namespace
}  // namespace sdxl
