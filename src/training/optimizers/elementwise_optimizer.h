// The base of algorithms whose step of an element needs only the gradient and states of that
// element, and perhaps sums from inspect_gradients().
//
// On the CPU a step is one pass over all tensors on all threads (block_loop.h): a block's gradients
// are scaled, its states and weights updated and the model's copy rewritten while it is in cache.
// Other devices compute the same with ATen, or with an operator of their plugin.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "training/optimizers/block_loop.h"
#include "training/optimizers/optimizer.h"

namespace sdxl {

class ElementwiseOptimizer : public Optimizer {
 protected:
  ElementwiseOptimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options,
                       OptimizerTraits traits = {})
      : Optimizer(std::move(groups), options, traits) {}

  /// On the CPU: updates block.weight and the states of the same elements in place. Called from
  /// many threads at once.
  virtual void update_block(const UpdateBlock& block) = 0;
  /// On other devices: updates whole tensors with ATen. `weights` and `gradients` are float32; the
  /// gradients are scaled and may be overwritten.
  virtual void update_tensors(const std::vector<size_t>& indices,
                              const std::vector<at::Tensor>& weights,
                              const std::vector<at::Tensor>& gradients) = 0;
  /// On other devices: updates these tensors with one operator of the device's plugin. `gradients`
  /// are neither scaled nor converted. Returns false, with nothing changed, if there is no plugin.
  virtual bool update_fused(const std::vector<size_t>&, const std::vector<at::Tensor>&) {
    return false;
  }

  /// Whether update_block() does the work of this step.
  bool uses_blocks() const { return on_cpu() && !options().whole_tensors; }

 private:
  void update(const std::vector<size_t>& indices, const std::vector<at::Tensor>& gradients) final;
};

}  // namespace sdxl
