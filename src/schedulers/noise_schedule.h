// The forward process: betas and cumulative alphas of a scheduler_config.json, adding noise and
// training targets with coefficients in float32 (DDPM, Ho et al. 2020).
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "base/json.h"

namespace sdxl {

class NoiseSchedule {
 public:
  /// Reads num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas,
  /// rescale_betas_zero_snr, prediction_type. Error(kBadData) names `source` and the key.
  NoiseSchedule(const Json& config, const std::string& source);

  int64_t num_train_timesteps() const;
  const std::string& prediction_type() const { return prediction_type_; }
  void set_prediction_type(std::string value) { prediction_type_ = std::move(value); }
  const at::Tensor& betas() const { return betas_; }                    ///< [T] float32, CPU
  const at::Tensor& alphas_cumprod() const { return alphas_cumprod_; }  ///< [T] float32, CPU

  /// sqrt(abar_t) * latents + sqrt(1 - abar_t) * noise, computed in float32; t [B] int64 on the CPU.
  at::Tensor add_noise(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& t) const;
  /// sqrt(abar_t) * noise - sqrt(1 - abar_t) * latents.
  at::Tensor velocity(const at::Tensor& latents, const at::Tensor& noise, const at::Tensor& t) const;
  /// abar / (1 - abar) at t, float32.
  at::Tensor snr(const at::Tensor& t) const;

 private:
  at::Tensor betas_, alphas_cumprod_;
  std::string prediction_type_;
};

/// Betas rescaled so that the last step has no signal (Lin et al. 2023, algorithm 1).
at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas);

}  // namespace sdxl
