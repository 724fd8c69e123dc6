// What the AdamW algorithms share: the factors of a step, and the step by an operator of the
// device's plugin, in one pass over weights, gradients and states.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "device/operators.h"
#include "training/optimizers/elementwise_optimizer.h"

namespace sdxl {

/// Factors of one step of one tensor. Bias corrections are computed in double and then rounded to
/// float32, as torch does.
struct AdamWFactors {
  float decay, beta1, one_minus_beta1, beta2, one_minus_beta2, correction2_sqrt, epsilon, step_size;
};

class AdamWStep : public ElementwiseOptimizer {
 protected:
  AdamWStep(std::vector<ParameterGroup> groups, const OptimizerOptions& options,
            OptimizerTraits traits = {})
      : ElementwiseOptimizer(std::move(groups), options, traits) {}

  void prepare_step() override;
  bool update_fused(const std::vector<size_t>& indices,
                    const std::vector<at::Tensor>& gradients) override;

  /// Selects the arithmetic of the plugin's operator.
  virtual void choose_arithmetic(sdxl_adamw_step* step) const = 0;
  /// Fills in the pointers to the states of tensor `index`.
  virtual void add_states(size_t index, sdxl_adamw_tensor* tensor) const = 0;

  AdamWFactors factors_of(size_t index) const;
  double correction1() const { return correction1_; }
  double correction2_sqrt() const { return correction2_sqrt_; }

 private:
  double correction1_ = 1.0, correction2_sqrt_ = 1.0;
};

}  // namespace sdxl
