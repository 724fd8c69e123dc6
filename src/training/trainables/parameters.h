// Trained tensors: the values that an optimizer steps, and the copies that the model computes with.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

namespace sdxl {

struct TrainedTensor {
  std::string name;  ///< The key in checkpoints.
  /// Stepped by the optimizer: float32, or bfloat16 with stochastic rounding (--full_bf16). Dense,
  /// of any strides (weights of convolutions may be channels-last).
  at::Tensor value;
  /// The model's copy in the compute dtype, of the same strides, rewritten after each step.
  /// Undefined if the model computes with `value` itself.
  at::Tensor working;

  /// The tensor that the model computes with and that receives the gradient.
  const at::Tensor& leaf() const { return working.defined() ? working : value; }
};

/// Tensors that share a learning rate.
struct ParameterGroup {
  std::string name;            ///< "unet", "text_encoder", …
  double learning_rate = 0.0;  ///< The schedule multiplies it.
  double weight_decay = 0.0;
  std::vector<TrainedTensor> tensors;
};

/// The tensors of all groups in the order that gradients, states and moving averages have.
std::vector<TrainedTensor> flatten(const std::vector<ParameterGroup>& groups);

/// The number of elements of all tensors.
int64_t count_elements(const std::vector<ParameterGroup>& groups);

/// A short hash of the names and first elements of all tensors, to compare models across ranks.
std::string fingerprint(const std::vector<ParameterGroup>& groups);

/// Copies `source` (any dtype, strides and device) into tensor.value and tensor.working.
void assign(const TrainedTensor& tensor, const at::Tensor& source);

}  // namespace sdxl
