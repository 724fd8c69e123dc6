// The forward process: betas and cumulative alphas of a scheduler_config.json, adding noise and
// training targets with coefficients in float32 (DDPM, Ho et al. 2020).
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

/// How a scheduler's class reads the keys of the forward process.
struct ForwardProcessTraits {
  double beta_start = 0.0001, beta_end = 0.02;
  std::string beta_schedule = "linear";
  /// Schedules besides linear, scaled_linear and squaredcos_cap_v2, which every class supports:
  /// laplace, sigmoid, exp.
  std::vector<std::string> more_schedules = {};
  /// What rescale_betas_zero_snr does: nothing; set the last abar to 0; or to 2^-24, which keeps
  /// the last sigma finite.
  enum class ZeroSnr { kIgnored, kExact, kFloored } zero_snr = ZeroSnr::kIgnored;
};

/// Both [T], float32 on the CPU.
struct ForwardProcess {
  at::Tensor betas, alphas_cumprod;
  int64_t num_train_timesteps() const { return alphas_cumprod.size(0); }
};

/// Reads num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas and
/// rescale_betas_zero_snr.
ForwardProcess read_forward_process(const SchedulerConfig& config,
                                    const ForwardProcessTraits& traits = {});

/// The forward process as training uses it.
class NoiseSchedule {
 public:
  /// Reads num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas,
  /// rescale_betas_zero_snr, prediction_type. Error(kBadData) names `source` and the key.
  NoiseSchedule(const Json& config, const std::string& source);

  int64_t num_train_timesteps() const { return process_.num_train_timesteps(); }
  const std::string& prediction_type() const { return prediction_type_; }
  void set_prediction_type(std::string value) { prediction_type_ = std::move(value); }
  const at::Tensor& alphas_cumprod() const {
    return process_.alphas_cumprod;
  }  ///< [T] float32, CPU

  /// sqrt(abar_t) * latents + sqrt(1 - abar_t) * noise, float32; t [B] int64 on the CPU.
  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise,
                       const at::Tensor& t) const;
  /// sqrt(abar_t) * noise - sqrt(1 - abar_t) * latents, float32.
  at::Tensor velocity(const at::Tensor& latents, const at::Tensor& noise,
                      const at::Tensor& t) const;
  /// abar / (1 - abar) at t, [B] float32 on the CPU.
  at::Tensor snr(const at::Tensor& t) const;

 private:
  ForwardProcess process_;
  std::string prediction_type_;
};

/// Betas rescaled so that the last step has no signal (Lin et al. 2023, algorithm 1).
at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas);

}  // namespace sdxl
