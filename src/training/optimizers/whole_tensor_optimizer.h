// The base of algorithms whose step of an element depends on the rest of its tensor, such as on
// means over rows and columns.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "training/optimizers/optimizer.h"

namespace sdxl {

class WholeTensorOptimizer : public Optimizer {
 protected:
  WholeTensorOptimizer(std::vector<ParameterGroup> groups, const OptimizerOptions& options,
                       OptimizerTraits traits = {})
      : Optimizer(std::move(groups), options, traits) {}

  /// Updates `weight` and the states of tensor `index` in place, on any device. Both tensors are
  /// float32; the gradient is scaled and may be overwritten.
  virtual void update_tensor(size_t index, const at::Tensor& weight,
                             const at::Tensor& gradient) = 0;

 private:
  void update(const std::vector<size_t>& indices, const std::vector<at::Tensor>& gradients) final {
    update_in_float32(indices, gradients,
                      [this](const auto& part, const auto& weights, const auto& scaled) {
                        for (size_t i = 0; i < part.size(); ++i) {
                          update_tensor(part[i], weights[i], scaled[i]);
                        }
                      });
  }
};

}  // namespace sdxl
