// Temporarily replaces the model's weights: validation uses the moving average.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "training/trainables/parameters.h"

namespace sdxl {

/// While the object lives, the model computes with `values` (float32 on the CPU, parallel to the
/// tensors). If the model uses float32 values themselves, they are exchanged with `values`;
/// bfloat16 values are saved on the CPU. The destructor restores the weights.
class WeightSwap {
 public:
  WeightSwap(std::vector<TrainedTensor> tensors, std::vector<at::Tensor> values);
  ~WeightSwap();
  WeightSwap(const WeightSwap&) = delete;
  WeightSwap& operator=(const WeightSwap&) = delete;

 private:
  std::vector<TrainedTensor> tensors_;
  std::vector<at::Tensor> values_;
  std::vector<at::Tensor> saved_;  // undefined for other tensors
};

}  // namespace sdxl
