// Gradient checkpointing: the backward pass recomputes the activations inside a block instead of
// keeping them (Chen et al. 2016).
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <vector>

namespace sdxl {

using Block = std::function<at::Tensor(const std::vector<at::Tensor>& inputs)>;

/// Returns block(inputs). With `recompute`, if gradients are wanted, only the inputs are kept, and
/// the backward pass runs the block again. Gradients also reach tensors that the block captured,
/// such as weights, but only by Tensor::backward(), not by autograd::grad(); what it captured must
/// live until then. If its operators are deterministic, gradients are bit-identical with and
/// without `recompute`. Inputs may be undefined.
at::Tensor run_block(bool recompute, const std::vector<at::Tensor>& inputs, Block block);

/// Whether this thread is in a training pass. The gradient mode does not tell: it is off in the
/// first pass of a block that will be recomputed.
bool gradients_wanted();

}  // namespace sdxl
