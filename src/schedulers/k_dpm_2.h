// Base of DPM-Solver-2 in sigma with and without ancestral noise (Karras et al. 2022, algorithm 2):
// each step calls the model at its beginning and at a noise level between its beginning and end.
#pragma once

#include "schedulers/sigma_scheduler.h"

namespace sdxl {

class Kdpm2 : public SigmaScheduler {
 public:
  at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const override;
  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override;

 protected:
  explicit Kdpm2(const SchedulerConfig& config);
  void plan(int64_t steps) override;

  /// Returns the noise level in the middle of each step of the planned sigmas; 0 for an Euler step.
  virtual at::Tensor plan_middles() = 0;
  /// Returns the latents at the end of step `number`, which starts at `begin`. `derivative` is the
  /// derivative in the step's middle, computed from `model_output`.
  virtual at::Tensor end_of_step(int64_t number, const at::Tensor& begin,
                                 const at::Tensor& derivative, const at::Tensor& model_output,
                                 const at::Generator& generator) = 0;

 private:
  /// The noise level at which call `index` finds the latents.
  at::Tensor model_sigma(int64_t index) const;

  at::Tensor middles_;  // of each step, float32 on the CPU
  at::Tensor sample_;   // at the step's beginning
};

}  // namespace sdxl
