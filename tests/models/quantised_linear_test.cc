#include "models/quantised_linear.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

constexpr QuantisedFormat kFormats[] = {QuantisedFormat::kInt8, QuantisedFormat::kFp8};

/// A linear layer below a transformer's name.
struct Root : Module {
  Module attentions{this, "attentions.0"};
  Linear layer{&attentions, "to_q", 96, 40};
};

TEST(QuantisedLinear, RoundsEachNumberToTheNearestCodeOfItsRow) {
  at::manual_seed(1);
  const at::Tensor matrix = at::randn({40, 96}) * at::logspace(-3, 2, 40).unsqueeze(1);
  const at::Tensor largest = matrix.abs().amax(1, true);
  const at::Tensor int8 = dequantised(quantised(matrix, QuantisedFormat::kInt8), at::kFloat);
  EXPECT_LE(((int8 - matrix).abs() / largest).max().item<double>(), 0.5 / 127 + 1e-6);
  // Three bits of mantissa: an error of at most 1/16 of a number, or of half the least step.
  const at::Tensor fp8 = dequantised(quantised(matrix, QuantisedFormat::kFp8), at::kFloat);
  const at::Tensor allowed = at::maximum(matrix.abs() / 16, largest / 448 * 0.001);
  EXPECT_TRUE(((fp8 - matrix).abs() <= allowed + 1e-9).all().item<bool>());
}

TEST(QuantisedLinear, KeepsZeros) {
  for (const QuantisedFormat format : kFormats) {
    EXPECT_TRUE(at::equal(dequantised(quantised(at::zeros({3, 5}), format), at::kFloat),
                          at::zeros({3, 5})));
  }
}

TEST(QuantisedLinear, GivesTheSameNumbersInEveryDtype) {
  const at::Tensor matrix = at::randn({7, 33});
  for (const QuantisedFormat format : kFormats) {
    const QuantisedMatrix codes = quantised(matrix, format);
    const at::Tensor exact = dequantised(codes, at::kFloat);
    for (const at::ScalarType dtype : {at::kBFloat16, at::kHalf}) {
      EXPECT_TRUE(at::equal(dequantised(codes, dtype), exact.to(dtype)));
    }
    // What other devices compute.
    const at::Tensor plain = codes.codes.to(at::kFloat).mul_(codes.scales.unsqueeze(1));
    EXPECT_TRUE(at::equal(plain, exact));
  }
}

TEST(QuantisedLinear, ComputesAndDifferentiatesWithTheRoundedNumbers) {
  for (const QuantisedFormat format : kFormats) {
    Root root;
    root.initialize(3, {});
    const at::Tensor rounded = dequantised(quantised(root.layer.weight, format), at::kFloat);
    quantise_linears(root, format, {}, [](const std::string&) {});
    const at::Tensor input = at::randn({2, 5, 96}).set_requires_grad(true);
    const at::Tensor plain = input.detach().clone().set_requires_grad(true);
    const at::Tensor output = root.layer.forward(input);
    const at::Tensor expected = at::linear(plain, rounded, root.layer.bias);
    EXPECT_TRUE(at::allclose(output, expected, 1e-5, 1e-6));
    const at::Tensor gradient = at::randn_like(output);
    output.backward(gradient);
    expected.backward(gradient);
    EXPECT_TRUE(at::allclose(input.grad(), plain.grad(), 1e-5, 1e-6));
    EXPECT_EQ(root.layer.weight.element_size(), 1);
  }
}

TEST(QuantisedLinear, TellsWhatIsNotNeededAnyMore) {
  Root root;
  root.initialize(3, {});
  std::vector<std::string> released;
  quantise_linears(root, QuantisedFormat::kInt8, {at::kCPU, at::kBFloat16},
                   [&](const std::string& name) { released.push_back(name); });
  EXPECT_EQ(released,
            (std::vector<std::string>{"attentions.0.to_q.weight", "attentions.0.to_q.bias"}));
  EXPECT_EQ(root.layer.bias.scalar_type(), at::kBFloat16);
}

}  // namespace
}  // namespace sdxl
