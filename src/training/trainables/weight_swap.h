// Other weights in the model for a while: the moving average in validation.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "training/trainables/parameters.h"

namespace sdxl {

/// While it lives, the model computes with `values` (float32 on the CPU, parallel to the tensors).
/// Where the model uses trained values of float32 themselves, the two change places and `values`
/// holds those meanwhile; trained values of bfloat16 are put aside on the CPU.
class WeightSwap {
 public:
  WeightSwap(std::vector<TrainedTensor> tensors, std::vector<at::Tensor> values);
  ~WeightSwap();
  WeightSwap(const WeightSwap&) = delete;
  WeightSwap& operator=(const WeightSwap&) = delete;

 private:
  std::vector<TrainedTensor> tensors_;
  std::vector<at::Tensor> values_;
  std::vector<at::Tensor> aside_;  // undefined where nothing is
};

}  // namespace sdxl
