#include "models/gradient_checkpointing.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

/// A frozen block, and after it one with a factor that is trained.
at::Tensor two_blocks(bool recompute, const at::Tensor& input, const at::Tensor& factor) {
  const at::Tensor hidden = run_block(
      recompute, {input}, [](const std::vector<at::Tensor>& inputs) { return inputs[0].sin(); });
  return run_block(recompute, {hidden},
                   [&factor](const std::vector<at::Tensor>& inputs) { return inputs[0] * factor; });
}

at::Tensor gradient_of_factor(bool recompute) {
  const at::Tensor factor = at::full({3}, 2.0).set_requires_grad(true);
  two_blocks(recompute, at::arange(3, at::kFloat), factor).sum().backward();
  return factor.grad();
}

TEST(GradientCheckpointing, PassesFrozenBlocksBeforeTheFirstTrainedOne) {
  EXPECT_TRUE(gradient_of_factor(true).equal(gradient_of_factor(false)));
}

}  // namespace
}  // namespace sdxl
