// What the AdamW algorithms have in common: the factors of a step, and the step by the operator of
// a device's plugin in one pass over weights, gradients and states.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "device/operators.h"
#include "training/optimizers/optimizer.h"

namespace sdxl {

/// What one step of a tensor multiplies by; corrections in double, then float32, as torch does.
struct AdamWFactors {
  float decay, beta1, beta1_rest, beta2, beta2_rest, correction2_sqrt, epsilon, step_size;
};

class AdamWStep : public Optimizer {
 protected:
  using Optimizer::Optimizer;

  void prepare() override;
  bool update_fused(const std::vector<size_t>& indices,
                    const std::vector<at::Tensor>& gradients) override;

  /// Which arithmetic the plugin's operator shall use.
  virtual void choose_arithmetic(sdxl_adamw_step* step) const = 0;
  /// Where the states of tensor `index` lie.
  virtual void add_states(size_t index, sdxl_adamw_tensor* tensor) const = 0;

  AdamWFactors factors_of(size_t index) const;
  double correction1() const { return correction1_; }
  double correction2_sqrt() const { return correction2_sqrt_; }

 private:
  double correction1_ = 1.0, correction2_sqrt_ = 1.0;
};

}  // namespace sdxl
