#include "training/optimizers/elementwise_optimizer.h"

namespace sdxl {

void ElementwiseOptimizer::update(const std::vector<size_t>& indices,
                                  const std::vector<at::Tensor>& gradients) {
  if (uses_blocks()) {
    update_blocks(
        tensors(), indices, gradients, scale().gradient, rounding_seed(),
        [this](const UpdateBlock& block) { update_block(block); }, traits().accepts_raw_gradients);
    return;
  }
  if (!on_cpu() && !options().whole_tensors && update_fused(indices, gradients)) return;
  update_in_float32(indices, gradients,
                    [this](const auto& part, const auto& weights, const auto& scaled) {
                      update_tensors(part, weights, scaled);
                    });
}

}  // namespace sdxl
