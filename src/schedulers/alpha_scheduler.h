// Base of the samplers that step through training timesteps (DDPM, DDIM, PNDM, LCM, TCD). Latents
// are sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, with abar looked up by a whole timestep.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schedulers/scheduler.h"
#include "schedulers/sigma_schedule.h"

namespace sdxl {

class AlphaScheduler : public Scheduler {
 protected:
  /// `default_spacing` is the default of timestep_spacing; if empty, the key is not read.
  AlphaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                 const std::vector<std::string>& prediction_types,
                 const std::string& default_spacing);

  int64_t num_train_timesteps() const { return process_.num_train_timesteps(); }
  int64_t timestep(int64_t index) const { return visited_[index]; }
  int64_t call_count() const { return static_cast<int64_t>(visited_.size()); }

  /// abar of a timestep, float32 on the CPU; below 0, the abar at a run's end. Error(kUsage) for a
  /// timestep outside of training's.
  at::Tensor alpha(int64_t timestep) const;

  struct Prediction {
    at::Tensor original;  ///< Predicted clean latents.
    at::Tensor epsilon;   ///< Predicted noise.
  };
  Prediction predict(const at::Tensor& model_output, const at::Tensor& alpha,
                     const at::Tensor& sample) const;

  /// Timesteps by timestep_spacing. Error(kUsage) for more steps than training had.
  std::vector<double> spaced(int64_t steps) const;
  /// Plans the run's timesteps, truncated to integers. Error(kUsage) as alpha().
  void visit(const std::vector<double>& timesteps);
  /// Error(kUsage) unless `timesteps` decrease and lie within training's.
  void check_falling(const std::vector<double>& timesteps) const;

  const ForwardProcess process_;
  const TimestepSpacing spacing_;
  const std::string prediction_type_;
  at::Tensor final_alpha_ = at::ones({});  // of timesteps below 0

 private:
  void check_known(int64_t timestep) const;

  std::vector<int64_t> visited_;
};

/// set_alpha_to_one: abar at a run's end is 1, else that of timestep 0.
at::Tensor read_final_alpha(const SchedulerConfig& config, const ForwardProcess& process,
                            bool default_one);

}  // namespace sdxl
