// Attention by our own kernels against LibTorch's in float64.
#include "models/cpu_attention.h"

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
