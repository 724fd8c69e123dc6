// What the samplers share that work on the training timesteps themselves (DDPM, DDIM and their
// kin): latents sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, with abar looked up by a whole timestep.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schedulers/scheduler.h"
#include "schedulers/sigma_schedule.h"

namespace sdxl {

class AlphaScheduler : public Scheduler {
 protected:
  /// `default_spacing` of timestep_spacing, which is not read where it is empty.
  AlphaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                 const std::vector<std::string>& prediction_types,
                 const std::string& default_spacing);

  int64_t num_train_timesteps() const { return process_.num_train_timesteps(); }
  int64_t timestep(int64_t index) const { return visited_[index]; }
  int64_t call_count() const { return static_cast<int64_t>(visited_.size()); }

  /// abar of a timestep, float32 on the CPU; below 0 that of a run's end. Error(kUsage) for a
  /// timestep that training did not have.
  at::Tensor alpha(int64_t timestep) const;

  struct Prediction {
    at::Tensor original;  ///< The clean latents that the model's output means.
    at::Tensor epsilon;   ///< The noise that it means.
  };
  Prediction predict(const at::Tensor& model_output, const at::Tensor& alpha,
                     const at::Tensor& sample) const;

  /// The timesteps of timestep_spacing; Error(kUsage) for more steps than training had.
  std::vector<double> spaced(int64_t steps) const;
  /// Sets what the run visits, cut to whole numbers; Error(kUsage) as alpha().
  void visit(const std::vector<double>& timesteps);
  /// Explicit timesteps must fall and be known; Error(kUsage).
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
