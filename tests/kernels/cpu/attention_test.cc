// Attention by our own kernels against LibTorch's in float64.
#include "kernels/cpu/attention.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

struct Shape {
  int64_t batch, heads, features, queries, keys;
};
void PrintTo(const Shape& shape, std::ostream* out) {
  *out << shape.batch << " x " << shape.heads << " heads of " << shape.features << ", "
       << shape.queries << " x " << shape.keys;
}

at::Tensor random(int64_t batch, int64_t tokens, int64_t features) {
  return at::randn({batch, tokens, features}, at::kFloat);
}

at::Tensor reference(const at::Tensor& query, const at::Tensor& key, const at::Tensor& value,
                     int64_t heads) {
  const auto split = [heads](const at::Tensor& x) {
    return x.to(at::kDouble).unflatten(-1, {heads, x.size(-1) / heads}).transpose(1, 2);
  };
  const at::Tensor scores = at::matmul(split(query), split(key).transpose(-1, -2)) /
                            std::sqrt(static_cast<double>(query.size(-1) / heads));
  return at::matmul(scores.softmax(-1), split(value)).transpose(1, 2).flatten(2);
}

class CpuAttention : public testing::TestWithParam<Shape> {
 protected:
  void compare(at::ScalarType dtype, double tolerance) {
    at::manual_seed(1);
    const Shape& shape = GetParam();
    const int64_t width = shape.heads * shape.features;
    const at::Tensor query = (random(shape.batch, shape.queries, width) * 3).to(dtype);
    const at::Tensor key = random(shape.batch, shape.keys, width).to(dtype);
    const at::Tensor value = random(shape.batch, shape.keys, width).to(dtype);
    if (!cpu_attention_takes(query, key, value, shape.heads)) GTEST_SKIP();
    const at::Tensor output = cpu_attention(query, key, value, shape.heads).output;
    const at::Tensor expected = reference(query, key, value, shape.heads);
    EXPECT_EQ(output.scalar_type(), dtype);
    EXPECT_LT((output.to(at::kDouble) - expected).abs().max().item<double>(), tolerance);
  }
};

TEST_P(CpuAttention, EqualsTheFormulaInFloat32) { compare(at::kFloat, 2e-5); }
TEST_P(CpuAttention, EqualsTheFormulaInBFloat16) { compare(at::kBFloat16, 3e-2); }

class CpuAttentionBackward : public CpuAttention {
 protected:
  void compare_gradients(at::ScalarType dtype, double tolerance) {
    at::manual_seed(1);
    const Shape& shape = GetParam();
    const int64_t width = shape.heads * shape.features;
    std::vector<at::Tensor> inputs, leaves;
    for (const int64_t tokens : {shape.queries, shape.keys, shape.keys}) {
      inputs.push_back(random(shape.batch, tokens, width).to(dtype));
      leaves.push_back(inputs.back().to(at::kDouble).requires_grad_(true));
    }
    if (!cpu_attention_takes(inputs[0], inputs[1], inputs[2], shape.heads)) GTEST_SKIP();
    const at::Tensor upstream = random(shape.batch, shape.queries, width).to(dtype);
    const AttentionGradients found = cpu_attention_backward(
        upstream, inputs[0], inputs[1], inputs[2],
        cpu_attention(inputs[0], inputs[1], inputs[2], shape.heads), shape.heads);
    reference(leaves[0], leaves[1], leaves[2], shape.heads).backward(upstream.to(at::kDouble));
    size_t i = 0;
    for (const at::Tensor& gradient : {found.query, found.key, found.value}) {
      const at::Tensor expected = leaves[i++].grad();
      EXPECT_EQ(gradient.scalar_type(), dtype);
      const at::Tensor error = (gradient.to(at::kDouble) - expected).abs().max();
      EXPECT_LT(error.item<double>(), tolerance * (0.1 + expected.abs().max().item<double>())) << i;
    }
  }
};

TEST_P(CpuAttentionBackward, HasTheGradientsOfTheFormulaInFloat32) {
  compare_gradients(at::kFloat, 1e-5);
}
TEST_P(CpuAttentionBackward, HasTheGradientsOfTheFormulaInBFloat16) {
  compare_gradients(at::kBFloat16, 2e-2);
}

INSTANTIATE_TEST_SUITE_P(Shapes, CpuAttentionBackward,
                         testing::Values(Shape{1, 1, 16, 1, 1}, Shape{2, 2, 64, 101, 77},
                                         Shape{1, 4, 64, 64, 64}, Shape{1, 1, 80, 71, 400},
                                         Shape{1, 2, 64, 300, 300}, Shape{1, 1, 160, 65, 131}));

INSTANTIATE_TEST_SUITE_P(Shapes, CpuAttention,
                         testing::Values(Shape{1, 1, 16, 1, 1}, Shape{2, 2, 64, 100, 77},
                                         Shape{1, 4, 64, 64, 64}, Shape{1, 1, 80, 70, 400},
                                         Shape{1, 2, 64, 1024, 1024}, Shape{1, 1, 512, 65, 1000}));

TEST(CpuAttentionLayout, ReadsSlicesOfWiderRows) {
  const at::Tensor all = random(2, 50, 3 * 64);
  const auto parts = all.chunk(3, -1);
  if (!cpu_attention_takes(parts[0], parts[1], parts[2], 1)) GTEST_SKIP();
  const at::Tensor output = cpu_attention(parts[0], parts[1], parts[2], 1).output;
  EXPECT_TRUE(
      at::allclose(output.to(at::kDouble), reference(parts[0], parts[1], parts[2], 1), 1e-5, 1e-5));
}

TEST(CpuAttentionLimits, LeavesHeadsOfOddWidthToLibTorch) {
  const at::Tensor narrow = random(1, 4, 8);
  EXPECT_FALSE(cpu_attention_takes(narrow, narrow, narrow, 1));
}

}  // namespace
}  // namespace sdxl
