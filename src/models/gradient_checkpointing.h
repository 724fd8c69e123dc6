// Trading time for memory in training: the activations inside a block are computed again in the
// backward pass instead of being kept (Chen et al. 2016).
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace sdxl {

using Block = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// block(inputs). With `recompute`, and where gradients are wanted, only the inputs are kept for
/// the backward pass, which runs the block a second time. Gradients also reach what the block
/// captured (its weights, the adapters of its hooks), but only through Tensor::backward(), not
/// autograd::grad(). What the block captured must live until then. Gradients are the same to the
/// bit with and without `recompute`, where the operators themselves are deterministic. Inputs may
/// be undefined.
at::Tensor run_block(bool recompute, const std::vector<at::Tensor>& inputs, Block block);

/// Whether the pass that this thread is in is one of training. The gradient mode alone does not
/// say so: it is off in the first pass of a block that is recomputed.
bool gradients_wanted();

}  // namespace sdxl
