// Base of the single- and multistep forms of DPM-Solver and DPM-Solver++ (Lu et al. 2022a, 2022b)
// and their SDE variants: converts a model's output and updates from one noise level to the next.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "schedulers/log_snr_scheduler.h"

namespace sdxl {

class DpmSolver : public LogSnrScheduler {
 protected:
  /// `algorithms` are the values of algorithm_type that the form supports.
  DpmSolver(const SchedulerConfig& config, const ForwardProcessTraits& traits,
            TimestepSpacing spacing, const std::vector<std::string>& algorithms);

  bool plus_plus() const { return algorithm_.ends_with("++"); }
  bool is_sde() const { return algorithm_.starts_with("sde-"); }
  bool ends_at_zero() const { return final_sigmas_type_ == "zero"; }

  /// Converts the model's output to what the solver integrates: clean latents for the ++ variants,
  /// else noise.
  at::Tensor convert(const at::Tensor& model_output, int64_t index, const at::Tensor& sample) const;

  /// The model as a polynomial in lambda around the update's base: its value and scaled
  /// derivatives. d1 and d2 are undefined where the order is lower.
  struct Derivatives {
    at::Tensor d0, d1, d2;
    bool midpoint = false;  ///< Weight d1 by the midpoint rule instead of its exact integral.
  };
  /// Advances `sample` from level `from` to level `to`. Only the SDE variants read `noise`.
  at::Tensor advance(const at::Tensor& sample, const Level& from, const Level& to,
                     const Derivatives& model, const at::Tensor& noise) const;

  /// How many of the noisiest training timesteps lambda_min_clipped cuts off.
  int64_t clipped_timesteps() const;
  /// Rounds the timesteps of an explicit plan. Error(kUsage) if the config spaces sigmas otherwise.
  std::vector<double> explicit_timesteps(const std::vector<double>& timesteps) const;
  double last_sigma() const { return ends_at_zero() ? 0.0 : table_.first(); }

  const std::string algorithm_;
  const bool midpoint_;  // solver_type

 private:
  struct Coefficients {
    at::Tensor x, d0, d1, d2, noise;
  };
  Coefficients ode_coefficients(const Level& from, const Level& to, bool midpoint) const;
  Coefficients sde_coefficients(const Level& from, const Level& to, bool midpoint) const;

  const std::string final_sigmas_type_;
  const bool learned_variance_;
  const double lambda_min_;
};

}  // namespace sdxl
