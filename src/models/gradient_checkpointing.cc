#include "models/gradient_checkpointing.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

namespace sdxl {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The depth of first passes that this thread is in, of blocks that will be run again.
thread_local int first_passes = 0;

struct FirstPass {
  FirstPass() { ++first_passes; }
  ~FirstPass() { --first_passes; }
};

struct HeldBlock : torch::CustomClassHolder {
  explicit HeldBlock(Block block) : block(std::move(block)) {}
  Block block;
};

class Recomputed : public torch::autograd::Function<Recomputed> {
 public:
  /// `anchor` requires gradients even if no input does, so that backward() is always called.
  static at::Tensor forward(AutogradContext* context, const at::Tensor& anchor,
                            const at::TensorList inputs, c10::intrusive_ptr<HeldBlock> held) {
    (void)anchor;
    context->saved_data["block"] = c10::IValue::make_capsule(held);
    context->save_for_backward(inputs.vec());
    const FirstPass first_pass;
    return held->block(inputs.vec());
  }

  static variable_list backward(AutogradContext* context, const variable_list& output_gradients) {
    const variable_list saved = context->get_saved_variables();
    variable_list inputs;
    for (const at::Tensor& tensor : saved) {
      inputs.push_back(tensor.defined() ? tensor.detach() : tensor);
      if (tensor.defined()) inputs.back().set_requires_grad(tensor.requires_grad());
    }
    {
      const at::AutoGradMode with_gradients(true);
      const auto held =
          c10::static_intrusive_pointer_cast<HeldBlock>(context->saved_data["block"].toCapsule());
      const at::Tensor output = held->block(inputs);
      // In a frozen block before the first adapter nothing requires gradients.
      if (output.requires_grad()) torch::autograd::backward({output}, {output_gradients.at(0)});
    }
    variable_list gradients(1);  // of the anchor
    for (const at::Tensor& input : inputs) {
      gradients.push_back(input.defined() ? input.grad() : at::Tensor());
    }
    gradients.emplace_back();  // of the block
    return gradients;
  }
};

}  // namespace

bool gradients_wanted() { return at::GradMode::is_enabled() || first_passes > 0; }

at::Tensor run_block(bool recompute, const std::vector<at::Tensor>& inputs, Block block) {
  if (!at::GradMode::is_enabled()) return block(inputs);
  if (recompute) {
    const at::Tensor anchor = at::empty({0}).set_requires_grad(true);
    return Recomputed::apply(anchor, at::TensorList(inputs),
                             c10::make_intrusive<HeldBlock>(std::move(block)));
  }
  // As when recomputing, an alias node for each input sums the gradients from within the block
  // before others are added.
  std::vector<at::Tensor> aliases;
  for (const at::Tensor& input : inputs) {
    aliases.push_back(input.defined() && input.requires_grad() ? at::alias(input) : input);
  }
  return block(aliases);
}

}  // namespace sdxl
