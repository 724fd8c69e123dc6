// What training minimises: noise and timesteps of each draw, the target, the weighted loss.
//
// Everything random is drawn on the CPU from the draw's own generators (base/random.h), so that it
// depends on neither device, batch size nor ranks.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schedulers/noise_schedule.h"

namespace sdxl {

/// Which timesteps are drawn more often, and by what factor.
struct TimestepBias {
  std::string strategy = "none";  ///< none, earlier, later, range
  double multiplier = 1.0;
  int64_t begin = 0, end = 1000;  ///< Of range; `end` is outside.
  double portion = 0.25;          ///< Share of the timesteps that earlier and later mean.
};

/// The probability of each of `count` timesteps, [count] float32. Error(kUsage) for a range that
/// lies outside or an unknown strategy.
at::Tensor timestep_weights(const TimestepBias& bias, int64_t count);

struct ObjectiveOptions {
  std::optional<double> snr_gamma;  ///< Min-SNR weighting (Hang et al. 2023).
  /// Min-SNR weights min(s, gamma) / s with s = SNR, of v_prediction SNR + 1, as ppdiffusers'
  /// scripts have them.
  bool relative_snr = false;
  double noise_offset = 0.0;
  double input_perturbation = 0.0;
  /// Pseudo-Huber loss 2c(sqrt(d^2 + c^2) - c) of the difference d instead of its square.
  std::optional<double> huber_c;
  TimestepBias bias;
  uint64_t seed = 0;  ///< Of the run.
};

/// Latents with noise, and what the model should answer.
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

  /// Noise for latents [B, C, h, w] of these draws: the streams noise (the perturbation is the next
  /// `randn` of the same generator), offset and timestep.
  NoisedBatch noised(const at::Tensor& latents, const std::vector<int64_t>& draws) const;
  /// The same at timesteps of the caller's choice, without offset or perturbation: for validation.
  NoisedBatch noised_at(const at::Tensor& latents, const std::vector<int64_t>& draws,
                        const at::Tensor& timesteps) const;

  /// The loss of each sample, [B] float32: the mean over its elements, weighted. The prediction
  /// type "sample" is the scripts': the prediction less the noise is held to the latents.
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
