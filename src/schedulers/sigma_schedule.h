// The timesteps and noise levels (sigma = sqrt((1 - abar) / abar)) that a run visits: spacings of
// timesteps, and spacings of sigmas by Karras et al. 2022, evenly in log-sigma, and by the beta
// distribution. Computes as diffusers does with NumPy: in doubles, from float32 tables.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "schedulers/noise_schedule.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

/// `count` points from `start` to `stop` inclusive; a single point is `start`.
std::vector<double> linspace(double start, double stop, int64_t count);

/// As a float32 tensor on the CPU, and back.
at::Tensor float_tensor(const std::vector<double>& values);
std::vector<double> double_values(const at::Tensor& values);

/// The natural logarithm in float32, rounded as NumPy's vectorised one (a quotient of two
/// polynomials in x - 1), which errs by up to 2 ulp. Where logarithms nearly cancel, diffusers'
/// trajectories depend on these roundings.
float numpy_log(float x);

std::vector<double> reversed(std::vector<double> values);
std::vector<double> rounded_to_float(std::vector<double> values);
/// Rounded to integers, half to even.
std::vector<double> rounded(std::vector<double> values);

/// timestep_spacing and steps_offset of a config.
struct TimestepSpacing {
  /// How n timesteps are placed among the T of training. kFractional: n points, which linspace
  /// leaves unrounded. kWhole: n points, rounded. kOpenEnd: the first n of n + 1 points, rounded;
  /// the trajectory ends at the last, which is not visited.
  enum class Grid { kFractional, kWhole, kOpenEnd } grid = Grid::kFractional;
  std::string kind = "linspace";
  int64_t steps_offset = 0;

  static TimestepSpacing read(const SchedulerConfig& config, Grid grid,
                              const std::string& default_kind);
  /// Returns timesteps from the noisiest down. `last`, if given, cuts off the noisiest: only that
  /// many training timesteps are used.
  std::vector<double> timesteps(int64_t num_train_timesteps, int64_t steps,
                                std::optional<int64_t> last = std::nullopt) const;
};

/// Maps training timesteps to sigmas and back.
class SigmaTable {
 public:
  explicit SigmaTable(const ForwardProcess& process);

  double first() const { return sigmas_.front(); }  ///< The least noisy one.
  double last() const { return sigmas_.back(); }    ///< The noisiest.
  /// Sigmas at possibly fractional timesteps, interpolated linearly and clamped at the ends.
  std::vector<double> at(const std::vector<double>& timesteps) const;
  /// The possibly fractional timestep of each sigma, interpolated in log-sigma.
  std::vector<double> timesteps_of(const std::vector<double>& sigmas) const;
  /// Likewise for float32 sigmas, computed in float32.
  std::vector<double> timesteps_of_float(const std::vector<double>& sigmas) const;
  const std::vector<float>& log_sigmas() const { return log_sigmas_; }

 private:
  template <typename Real>
  double timestep_of(Real sigma) const;

  std::vector<double> sigmas_;  // rounded to float32
  std::vector<float> log_sigmas_;
};

/// use_karras_sigmas, use_exponential_sigmas or use_beta_sigmas, bounded by sigma_min and
/// sigma_max.
struct SigmaSpacing {
  enum class Kind { kTimesteps, kKarras, kExponential, kBeta } kind = Kind::kTimesteps;
  std::optional<double> sigma_min, sigma_max;

  static SigmaSpacing read(const SchedulerConfig& config);
  bool by_timesteps() const { return kind == Kind::kTimesteps; }
  /// `steps` sigmas from `from` down to `to`; configured bounds take their place.
  std::vector<double> sigmas(double from, double to, int64_t steps) const;
};

/// x with I_x(alpha, beta) = probability: the quantile function of the beta distribution.
double beta_quantile(double probability, double alpha, double beta);

}  // namespace sdxl
