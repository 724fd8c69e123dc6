#include "schedulers/dpm_solver.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

namespace {

/// A DEIS config's algorithm_type means DPM-Solver++ here, as in diffusers.
std::string read_algorithm(const SchedulerConfig& config, std::vector<std::string> known) {
  known.push_back("deis");
  const std::string algorithm = config.choice("algorithm_type", "dpmsolver++", known);
  return algorithm == "deis" ? "dpmsolver++" : algorithm;
}

/// The solver types of DEIS and UniPC mean the default.
bool read_midpoint(const SchedulerConfig& config) {
  return config.choice("solver_type", "midpoint", {"midpoint", "heun", "logrho", "bh1", "bh2"}) !=
         "heun";
}

bool read_learned_variance(const SchedulerConfig& config) {
  if (config.text("variance_type", "").empty()) return false;
  return config
      .choice("variance_type", "",
              {"learned", "learned_range", "fixed_small", "fixed_small_log", "fixed_large",
               "fixed_large_log"})
      .starts_with("learned");
}

}  // namespace

DpmSolver::DpmSolver(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                     TimestepSpacing spacing, const std::vector<std::string>& algorithms)
    : LogSnrScheduler(config, traits, std::move(spacing)),
      algorithm_(read_algorithm(config, algorithms)),
      midpoint_(read_midpoint(config)),
      final_sigmas_type_(config.choice("final_sigmas_type", "zero", {"zero", "sigma_min"})),
      learned_variance_(read_learned_variance(config)),
      lambda_min_(config.number("lambda_min_clipped", -std::numeric_limits<double>::infinity())) {
  if (!plus_plus() && ends_at_zero()) {
    config.refuse("algorithm_type", "set final_sigmas_type to sigma_min, or use dpmsolver++");
  }
  if (!plus_plus() && prediction_type_ == "flow_prediction") {
    config.refuse("prediction_type", "set algorithm_type to dpmsolver++");
  }
}

at::Tensor DpmSolver::convert(const at::Tensor& model_output, int64_t index,
                              const at::Tensor& sample) const {
  at::Tensor output = model_output;
  if (learned_variance_ && prediction_type_ == "epsilon") {
    output = output.slice(1, 0, 3);  // three channels of colours, then as many of variances
    if (sample.size(1) != 3) {
      throw Error(ExitStatus::kBadData, "the scheduler ", name_,
                  " has a learned variance_type, which is for models "
                  "of 3 channels, not ",
                  sample.size(1), "; set variance_type to null");
    }
  }
  if (plus_plus()) return original_sample(output, index, sample);
  const at::Tensor noise = epsilon(output, index, sample);
  if (!thresholding_.on) return noise;
  const Level here = level(index);
  const at::Tensor original = thresholding_.apply((sample - here.sigma * noise) / here.alpha);
  return (sample - here.alpha * original) / here.sigma;
}

DpmSolver::Coefficients DpmSolver::ode_coefficients(const Level& from, const Level& to,
                                                    bool midpoint) const {
  const at::Tensor h = to.lambda - from.lambda;
  if (plus_plus()) {
    const at::Tensor decay = (-h).exp() - 1.0;
    return {to.sigma / from.sigma,
            -(to.alpha * decay),
            midpoint ? -0.5 * (to.alpha * decay) : to.alpha * (decay / h + 1.0),
            -(to.alpha * ((decay + h) / h.pow(2) - 0.5)),
            {}};
  }
  const at::Tensor growth = h.exp() - 1.0;
  return {to.alpha / from.alpha,
          -(to.sigma * growth),
          midpoint ? -0.5 * (to.sigma * growth) : -(to.sigma * (growth / h - 1.0)),
          -(to.sigma * ((growth - h) / h.pow(2) - 0.5)),
          {}};
}

DpmSolver::Coefficients DpmSolver::sde_coefficients(const Level& from, const Level& to,
                                                    bool midpoint) const {
  const at::Tensor h = to.lambda - from.lambda;
  if (plus_plus()) {
    const at::Tensor mixed = 1 - (-2.0 * h).exp();
    return {to.sigma / from.sigma * (-h).exp(), to.alpha * mixed,
            midpoint ? 0.5 * (to.alpha * mixed) : to.alpha * (mixed / (-2.0 * h) + 1.0),
            to.alpha * ((mixed - 2.0 * h) / (2.0 * h).pow(2) - 0.5), to.sigma * mixed.sqrt()};
  }
  const at::Tensor growth = h.exp() - 1.0;
  return {to.alpha / from.alpha,
          -2.0 * (to.sigma * growth),
          midpoint ? -(to.sigma * growth) : -2.0 * (to.sigma * (growth / h - 1.0)),
          {},
          to.sigma * ((2 * h).exp() - 1.0).sqrt()};
}

at::Tensor DpmSolver::advance(const at::Tensor& sample, const Level& from, const Level& to,
                              const Derivatives& model, const at::Tensor& noise) const {
  const Coefficients by = is_sde() ? sde_coefficients(from, to, model.midpoint)
                                   : ode_coefficients(from, to, model.midpoint);
  at::Tensor result = by.x * sample + by.d0 * model.d0;
  if (model.d1.defined()) result = result + by.d1 * model.d1;
  if (model.d2.defined()) result = result + by.d2 * model.d2;
  return is_sde() ? result + by.noise * noise : result;
}

int64_t DpmSolver::clipped_timesteps() const {
  const at::Tensor abar = process_.alphas_cumprod;
  const std::vector<double> lambdas =
      double_values(abar.sqrt().log() - (1 - abar).sqrt().log());  // falling
  return std::count_if(lambdas.begin(), lambdas.end(),
                       [this](double lambda) { return lambda < lambda_min_; });
}

std::vector<double> DpmSolver::explicit_timesteps(const std::vector<double>& timesteps) const {
  if (!sigma_spacing_.by_timesteps() || flow_) {
    throw Error(ExitStatus::kUsage, "--timesteps: the scheduler ", name_,
                " cannot combine them with Karras, exponential, beta or flow sigmas; leave "
                "one of the two out");
  }
  std::vector<double> whole = timesteps;
  for (double& value : whole) value = std::trunc(value);
  return whole;
}

}  // namespace sdxl
