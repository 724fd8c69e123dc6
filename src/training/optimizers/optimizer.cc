#include "training/optimizers/optimizer.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/random.h"
#include "base/text.h"
#include "training/optimizers/block_loop.h"

namespace sdxl {
namespace {

/// `gradient` in the strides and on the device of `value`; itself where it agrees.
at::Tensor like_value(const at::Tensor& gradient, const at::Tensor& value) {
  if (gradient.device() == value.device() && gradient.strides() == value.strides()) return gradient;
  at::Tensor copy = at::empty_strided(value.sizes(), value.strides(),
                                      value.options().dtype(gradient.scalar_type()));
  return copy.copy_(gradient);
}

}  // namespace

Optimizer::Optimizer(std::vector<ParameterGroup> groups, OptimizerOptions options,
                     OptimizerTraits traits)
    : groups_(std::move(groups)),
      tensors_(flatten(groups_)),
      options_(std::move(options)),
      traits_(traits) {
  for (size_t i = 0; i < groups_.size(); ++i) {
    group_of_.insert(group_of_.end(), groups_[i].tensors.size(), i);
  }
}

void Optimizer::step(const std::vector<at::Tensor>& gradients, const StepScale& scale) {
  const at::NoGradGuard no_grad;
  begin_step(scale);
  std::vector<size_t> indices;
  std::vector<at::Tensor> dense;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (!gradients[i].defined()) continue;
    indices.push_back(i);
    dense.push_back(like_value(gradients[i], tensors_[i].value));
  }
  inspect_gradients(indices, dense);
  update(indices, dense);
}

void Optimizer::begin_step(const StepScale& scale) {
  scale_ = scale;
  ++steps_taken_;
  prepare_step();
}

void Optimizer::step_tensor(size_t index, const at::Tensor& gradient, double gradient_scale) {
  const at::NoGradGuard no_grad;
  scale_.gradient = gradient_scale;
  update({index}, {like_value(gradient, tensors_[index].value)});
}

void Optimizer::update_in_float32(const std::vector<size_t>& indices,
                                  const std::vector<at::Tensor>& gradients,
                                  const TensorsUpdate& update) {
  // Bounds the temporary copies; more at once saves launches on an accelerator.
  const int64_t elements_at_once = int64_t{1} << (on_cpu() ? 20 : 26);
  for (size_t begin = 0, end = 0; begin < indices.size(); begin = end) {
    std::vector<size_t> part;
    std::vector<at::Tensor> weights, scaled;
    for (int64_t elements = 0; end < indices.size() && elements < elements_at_once; ++end) {
      const at::Tensor& value = tensors_[indices[end]].value;
      part.push_back(indices[end]);
      weights.push_back(value.to(at::kFloat));
      scaled.push_back(gradients[end].to(at::kFloat, /*non_blocking=*/false, /*copy=*/true));
      elements += value.numel();
    }
    if (scale_.gradient != 1.0) at::_foreach_mul_(scaled, scale_.gradient);
    update(part, weights, scaled);
    for (size_t i = 0; i < part.size(); ++i) store(part[i], weights[i]);
  }
}

void Optimizer::store(size_t index, const at::Tensor& weight) const {
  const TrainedTensor& tensor = tensors_[index];
  if (on_cpu() && !options_.whole_tensors) {  // in blocks, which take less memory
    update_blocks(tensors_, {index}, {weight}, 1.0, rounding_seed(), [](const UpdateBlock& block) {
      std::copy(block.gradient, block.gradient + block.size, block.weight);
    });
    return;
  }
  if (tensor.value.scalar_type() == at::kBFloat16) {
    store_stochastically(weight, tensor.value, rounding_seed(), index);
  }
  if (tensor.working.defined()) tensor.working.copy_(tensor.value);
}

void Optimizer::load(const std::function<at::Tensor(const std::string&)>& find, const Json& scalars,
                     int64_t steps_taken, const std::string& source) {
  const at::NoGradGuard no_grad;
  for (auto& [name, tensor] : state()) {
    const at::Tensor saved = find(name);
    if (saved.sizes() != tensor.sizes() || saved.scalar_type() != tensor.scalar_type()) {
      throw Error(ExitStatus::kBadData,
                  sdxl::str(source, ": the optimizer state ", quoted(name), " is ",
                            at::toString(saved.scalar_type()), saved.sizes(), " instead of ",
                            at::toString(tensor.scalar_type()), tensor.sizes(),
                            ": the checkpoint belongs to another model or optimizer"));
    }
    tensor.copy_(saved);
  }
  load_scalars(scalars, source);
  steps_taken_ = steps_taken;
}

uint64_t Optimizer::state_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [name, tensor] : state()) bytes += tensor.nbytes();
  return bytes;
}

uint64_t Optimizer::rounding_seed() const {
  return stream_seed(options_.seed, Stream::kWeights, static_cast<uint64_t>(steps_taken_));
}

double Optimizer::learning_rate(size_t index) const {
  return groups_[group_of_[index]].learning_rate * scale_.lr_factor;
}

double Optimizer::weight_decay(size_t index) const {
  return groups_[group_of_[index]].weight_decay;
}

double Optimizer::argument(const char* name, double fallback) {
  argument_names_.insert(name);
  const auto given = options_.arguments.find(name);
  return given == options_.arguments.end() ? fallback : given->second;
}

std::vector<at::Tensor> Optimizer::zero_states() const {
  std::vector<at::Tensor> states;
  for (const TrainedTensor& tensor : tensors_) {
    states.push_back(at::zeros_like(tensor.value, tensor.value.options().dtype(at::kFloat)));
  }
  return states;
}

void Optimizer::append_state(NamedTensors& to, const char* kind,
                             const std::vector<at::Tensor>& states) const {
  for (size_t i = 0; i < states.size(); ++i) {
    to.emplace_back(str(kind, ".", tensors_[i].name), states[i]);
  }
}

}  // namespace sdxl
