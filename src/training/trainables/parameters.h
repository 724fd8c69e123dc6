// Trained tensors: what an optimizer steps, and the copy in the compute dtype that the model uses.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <utility>
#include <vector>

namespace sdxl {

struct TrainedTensor {
  std::string name;  ///< In checkpoints and errors.
  /// What the optimizer steps: float32; with --full_bf16 bfloat16, then rounded stochastically.
  /// Dense, of any strides (a convolution's weight may be channels-last).
  at::Tensor value;
  /// The model's own tensor in the compute dtype, rewritten from `value` after each step and of the
  /// same strides; undefined where the model uses `value` itself.
  at::Tensor working;

  /// The leaf that the model computes with and whose gradient is taken.
  const at::Tensor& leaf() const { return working.defined() ? working : value; }
};

/// Tensors that share a learning rate.
struct ParameterGroup {
  std::string name;            ///< "unet", "text_encoder", …
  double learning_rate = 0.0;  ///< The peak; the schedule multiplies it.
  double weight_decay = 0.0;
  std::vector<TrainedTensor> tensors;
};

/// The groups' tensors one after the other: the order of gradients, states and moving averages.
std::vector<TrainedTensor> flatten(const std::vector<ParameterGroup>& groups);

/// The number of elements of all of them.
int64_t count_elements(const std::vector<ParameterGroup>& groups);

/// A short text that equal values share: a hash of the names and the first elements of each tensor.
std::string fingerprint(const std::vector<ParameterGroup>& groups);

/// Copies `source` (any dtype, strides and device) into tensor.value and tensor.working.
void assign(const TrainedTensor& tensor, const at::Tensor& source);

}  // namespace sdxl
