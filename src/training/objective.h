// The training objective: noise and timesteps of each draw, the target and the weighted loss.
//
// Random numbers come from CPU generators seeded by the draw (base/random.h), so that they depend
// on neither device, batch size nor number of ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schedulers/noise_schedule.h"

namespace sdxl {

/// Changes how often some timesteps are drawn.
struct TimestepBias {
  std::string strategy = "none";  ///< none, earlier, later, range
  double multiplier = 1.0;
  int64_t begin = 0, end = 1000;  ///< For range; excludes `end`.
  double portion = 0.25;          ///< For earlier and later: their share of the timesteps.
};

/// The probability of each of `count` timesteps, [count] float32. Error(kUsage) for a
/// range beyond the timesteps.
at::Tensor timestep_weights(const TimestepBias& bias, int64_t count);

struct ObjectiveOptions {
  std::optional<double> snr_gamma;  ///< Min-SNR weighting (Hang et al. 2023).
  /// Makes the Min-SNR weights min(s, gamma) / s with s = SNR, or SNR + 1 for v_prediction, as
  /// ppdiffusers' scripts do.
  bool relative_snr = false;
  double noise_offset = 0.0;
  double input_perturbation = 0.0;
  /// Pseudo-Huber loss 2c(sqrt(d^2 + c^2) - c) of the difference d; d^2 if not set.
  std::optional<double> huber_c;
  TimestepBias bias;
  uint64_t seed = 0;  ///< The run's.
};

/// Latents with noise, and the target of the model's prediction.
struct NoisedBatch {
  at::Tensor noisy;      ///< [B, C, h, w] float32, the model's input
  at::Tensor timesteps;  ///< [B] int64, CPU
  at::Tensor noise;      ///< [B, C, h, w] float32, with the offset
  at::Tensor target;     ///< [B, C, h, w] float32
  at::Tensor weights;    ///< [B] float32; undefined without min-SNR
};

class Objective {
 public:
  Objective(NoiseSchedule schedule, ObjectiveOptions options);

  /// Adds noise to latents [B, C, h, w] of these draws. Uses the streams noise, offset and
  /// timestep; a perturbation is the second `randn` of the noise's generator.
  NoisedBatch noised(const at::Tensor& latents, const std::vector<int64_t>& draws) const;
  /// The same at given timesteps, without offset and perturbation: for validation.
  NoisedBatch noised_at(const at::Tensor& latents, const std::vector<int64_t>& draws,
                        const at::Tensor& timesteps) const;

  /// The weighted mean loss of each sample, [B] float32. For the prediction type "sample" this is
  /// the loss of (prediction - noise) against the latents, as in the scripts.
  at::Tensor losses(const at::Tensor& prediction, const NoisedBatch& batch) const;

  const NoiseSchedule& schedule() const { return schedule_; }

 private:
  at::Tensor target(const at::Tensor& latents, const at::Tensor& noise,
                    const at::Tensor& timesteps) const;
  at::Tensor snr_weights(const at::Tensor& timesteps) const;

  NoiseSchedule schedule_;
  ObjectiveOptions options_;
  at::Tensor timestep_weights_;  // undefined without a bias
};

}  // namespace sdxl
