// Base of the samplers of k-diffusion (Karras et al. 2022). Latents carry noise of standard
// deviation sigma and are scaled to unit variance for the model; the ODE is in sigma.
#pragma once

#include <string>
#include <vector>

#include "schedulers/scheduler.h"
#include "schedulers/sigma_schedule.h"

namespace sdxl {

class SigmaScheduler : public Scheduler {
 public:
  double init_noise_sigma() const override;
  at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const override;

 protected:
  /// `sigma_spacing` is SigmaSpacing::read(config) if the algorithm supports these keys, else {}.
  SigmaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                 const std::vector<std::string>& prediction_types, SigmaSpacing sigma_spacing);

  struct Levels {
    std::vector<double> timesteps, sigmas;
  };
  /// The levels of a run by timestep_spacing, respaced if the config says so.
  Levels levels(int64_t steps) const;
  /// The levels at explicit timesteps. Error(kUsage) if the config respaces sigmas.
  Levels levels_at(const std::vector<double>& timesteps) const;
  Levels respaced(Levels levels, int64_t steps) const;

  /// x / sqrt(sigma^2 + 1).
  static at::Tensor scaled(const at::Tensor& sample, const at::Tensor& sigma);
  /// Converts the model's output at noise level `sigma` to predicted clean latents.
  at::Tensor original_sample(const at::Tensor& model_output, const at::Tensor& sigma,
                             const at::Tensor& sample) const;
  at::Tensor sigma(int64_t index) const { return sigmas_[index]; }
  int64_t num_train_timesteps() const { return process_.num_train_timesteps(); }

  const ForwardProcess process_;
  const SigmaTable table_;
  const TimestepSpacing spacing_;
  const SigmaSpacing sigma_spacing_;
  const std::string prediction_type_;
  at::Tensor sigmas_;  // float32, CPU
};

}  // namespace sdxl
