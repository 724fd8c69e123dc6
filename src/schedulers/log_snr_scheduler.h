// Base of the exponential integrators (DPM-Solver, UniPC, DEIS). Latents are alpha x0 + sigma noise
// with alpha^2 + sigma^2 = 1, or alpha + sigma = 1 for flows; the ODE is in lambda, the logarithm
// of alpha / sigma. The model's input is not scaled.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "schedulers/sample_limits.h"
#include "schedulers/scheduler.h"
#include "schedulers/sigma_schedule.h"

namespace sdxl {

class LogSnrScheduler : public Scheduler {
 protected:
  LogSnrScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                  TimestepSpacing spacing);

  static constexpr int64_t kFewSteps = 15;  ///< With fewer, lower_order_final takes effect.

  /// Noise level at a point of the run, float32 on the CPU.
  struct Level {
    at::Tensor alpha, sigma, lambda;
  };
  Level level(int64_t index) const;

  // Convert the model's output for call `index` to predicted clean latents or predicted noise.
  at::Tensor original_sample(const at::Tensor& model_output, int64_t index,
                             const at::Tensor& sample) const;
  at::Tensor epsilon(const at::Tensor& model_output, int64_t index, const at::Tensor& sample) const;

  struct Levels {
    std::vector<double> timesteps, sigmas;
  };
  /// The levels of a run but for the last sigma: those at `timesteps`, or respaced over the whole
  /// table, or flow sigmas.
  Levels levels(const std::vector<double>& timesteps, int64_t steps) const;
  /// sigma from 1 down, shifted; without the last, 0.
  Levels flow_levels(int64_t steps) const;
  /// Starts a run: sets sigmas, sets timesteps truncated to integers, and resets state.
  void start(Levels levels, double last_sigma);

  int64_t num_train_timesteps() const { return process_.num_train_timesteps(); }
  int64_t call_count() const { return timesteps_.size(0); }
  /// Pushes a converted output to the front and keeps the newest `solver_order_`.
  void remember(const at::Tensor& converted);

  const ForwardProcess process_;
  const SigmaTable table_;
  const TimestepSpacing spacing_;
  const SigmaSpacing sigma_spacing_;
  const std::string prediction_type_;
  const DynamicThresholding thresholding_;
  const bool flow_;
  const double flow_shift_;
  const int64_t solver_order_;
  at::Tensor sigmas_;  // float32, CPU; one more than calls
  std::deque<at::Tensor> outputs_;
};

}  // namespace sdxl
