#include "schedulers/sigma_schedule.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

std::vector<double> linspace(double start, double stop, int64_t count) {
  if (count == 1) return {start};
  const double step = (stop - start) / static_cast<double>(count - 1);
  std::vector<double> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = static_cast<double>(i) * step + start;
  if (count > 1) values.back() = stop;
  return values;
}

at::Tensor float_tensor(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

std::vector<double> double_values(const at::Tensor& values) {
  const at::Tensor doubles = values.to(at::kCPU, at::kDouble).contiguous();
  return {doubles.data_ptr<double>(), doubles.data_ptr<double>() + doubles.numel()};
}

std::vector<double> reversed(std::vector<double> values) {
  std::reverse(values.begin(), values.end());
  return values;
}

std::vector<double> rounded_to_float(std::vector<double> values) {
  for (double& value : values) value = static_cast<float>(value);
  return values;
}

std::vector<double> rounded(std::vector<double> values) {
  for (double& value : values) value = std::nearbyint(value);
  return values;
}

namespace {

/// From `start` down in steps of `step` while above zero. As in numpy's arange, rounding can add a
/// last value next to zero.
std::vector<double> count_down(double start, double step) {
  const double second = start - step, delta = second - start;
  const auto count = static_cast<int64_t>(std::ceil((0.0 - start) / -step));
  std::vector<double> values(count);
  for (int64_t i = 0; i < count; ++i) values[i] = start + static_cast<double>(i) * delta;
  if (count > 1) values[1] = second;
  return values;
}

}  // namespace

TimestepSpacing TimestepSpacing::read(const SchedulerConfig& config, Grid grid,
                                      const std::string& default_kind) {
  TimestepSpacing spacing{grid, {}, config.integer("steps_offset", 0)};
  spacing.kind =
      config.choice("timestep_spacing", default_kind, {"linspace", "leading", "trailing"});
  return spacing;
}

std::vector<double> TimestepSpacing::timesteps(int64_t num_train_timesteps, int64_t steps,
                                               std::optional<int64_t> last) const {
  const int64_t visited = last.value_or(num_train_timesteps);
  const int64_t points = grid == Grid::kOpenEnd ? steps + 1 : steps;
  std::vector<double> values;  // ascending but for trailing
  if (kind == "trailing") {
    const double ratio = static_cast<double>(num_train_timesteps) / static_cast<double>(steps);
    values = rounded(count_down(static_cast<double>(visited), ratio));
    for (double& value : values) value -= 1;
    // Rounding adds timestep -1 for some step counts. Where timesteps are indices diffusers then
    // takes the noisiest one for the last step, which spoils the picture: here it is left out.
    if (grid == Grid::kWhole && values.back() < 0) values.pop_back();
    return values;
  }
  if (kind == "linspace") {
    values = linspace(0, static_cast<double>(visited - 1), points);
    values = grid == Grid::kFractional ? rounded_to_float(values) : rounded(values);
  } else {
    const int64_t ratio = visited / points;
    for (int64_t i = 0; i < points; ++i) {
      values.push_back(static_cast<double>(i * ratio + steps_offset));
    }
  }
  values = reversed(std::move(values));
  values.resize(steps);
  return values;
}

SigmaTable::SigmaTable(const ForwardProcess& process) {
  const at::Tensor abar = process.alphas_cumprod;
  const at::Tensor sigmas = ((1 - abar) / abar).sqrt();
  for (int64_t i = 0; i < sigmas.size(0); ++i) {
    sigmas_.push_back(sigmas[i].item<double>());
    log_sigmas_.push_back(static_cast<float>(std::log(sigmas_.back())));
  }
}

std::vector<double> SigmaTable::at(const std::vector<double>& timesteps) const {
  std::vector<double> result;
  const double end = static_cast<double>(sigmas_.size() - 1);
  for (double t : timesteps) {
    if (t <= 0 || t >= end) {
      result.push_back(t <= 0 ? sigmas_.front() : sigmas_.back());
      continue;
    }
    const auto low = static_cast<size_t>(t);
    const double slope = sigmas_[low + 1] - sigmas_[low];
    result.push_back(slope * (t - static_cast<double>(low)) + sigmas_[low]);
  }
  return result;
}

template <typename Real>
double SigmaTable::timestep_of(Real sigma) const {
  const Real log_sigma = static_cast<Real>(std::log(std::max<double>(sigma, 1e-10)));
  const auto above = std::upper_bound(log_sigmas_.begin(), log_sigmas_.end(), log_sigma);
  const auto low = std::clamp<int64_t>(above - log_sigmas_.begin() - 1, 0,
                                       static_cast<int64_t>(log_sigmas_.size()) - 2);
  const float low_log = log_sigmas_[low], high_log = log_sigmas_[low + 1];
  const Real w = std::clamp<Real>((low_log - log_sigma) / (low_log - high_log), 0, 1);
  return static_cast<double>(1 - w) * static_cast<double>(low) +
         static_cast<double>(w) * static_cast<double>(low + 1);
}

std::vector<double> SigmaTable::timesteps_of(const std::vector<double>& sigmas) const {
  std::vector<double> timesteps;
  for (double sigma : sigmas) timesteps.push_back(timestep_of<double>(sigma));
  return timesteps;
}

std::vector<double> SigmaTable::timesteps_of_float(const std::vector<double>& sigmas) const {
  std::vector<double> timesteps;
  for (double sigma : sigmas) timesteps.push_back(timestep_of<float>(static_cast<float>(sigma)));
  return timesteps;
}

SigmaSpacing SigmaSpacing::read(const SchedulerConfig& config) {
  SigmaSpacing spacing;
  const std::pair<const char*, Kind> flags[] = {{"use_karras_sigmas", Kind::kKarras},
                                                {"use_exponential_sigmas", Kind::kExponential},
                                                {"use_beta_sigmas", Kind::kBeta}};
  for (const auto& [key, kind] : flags) {
    if (!config.flag(key, false)) continue;
    if (!spacing.by_timesteps()) {
      config.refuse(key,
                    "only one of use_karras_sigmas, use_exponential_sigmas and "
                    "use_beta_sigmas can be true");
    }
    spacing.kind = kind;
  }
  spacing.sigma_min = config.optional_number("sigma_min");
  spacing.sigma_max = config.optional_number("sigma_max");
  return spacing;
}

std::vector<double> SigmaSpacing::sigmas(double from, double to, int64_t steps) const {
  const double high = sigma_max.value_or(from), low = sigma_min.value_or(to);
  std::vector<double> sigmas;
  switch (kind) {
    case Kind::kTimesteps:
      break;
    case Kind::kKarras: {
      constexpr double kRho = 7.0;
      const double low_root = std::pow(low, 1 / kRho), high_root = std::pow(high, 1 / kRho);
      for (double ramp : linspace(0, 1, steps)) {
        sigmas.push_back(std::pow(high_root + ramp * (low_root - high_root), kRho));
      }
      break;
    }
    case Kind::kExponential:
      for (double log : linspace(std::log(high), std::log(low), steps)) {
        sigmas.push_back(std::exp(log));
      }
      break;
    case Kind::kBeta:
      for (double ramp : linspace(0, 1, steps)) {
        sigmas.push_back(low + beta_quantile(1 - ramp, 0.6, 0.6) * (high - low));
      }
      break;
  }
  return sigmas;
}

namespace {

/// The incomplete beta function B_x(a, b) for x up to 1/2, by its power series.
double incomplete_beta(double x, double a, double b) {
  double term = 1.0, sum = 1.0 / a;
  for (int n = 1; n < 200 && std::fabs(term) > 1e-18 * sum; ++n) {
    term *= (n - b) / n * x;
    sum += term / (a + n);
  }
  return std::pow(x, a) * sum;
}

}  // namespace

double beta_quantile(double probability, double a, double b) {
  if (probability <= 0) return 0;
  if (probability >= 1) return 1;
  const double whole = std::exp(std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b));
  const double target = probability * whole;
  double low = 0, high = 0.5;
  if (target > incomplete_beta(high, a, b)) return 1 - beta_quantile(1 - probability, b, a);
  double x = std::min(high, std::pow(target * a, 1 / a));
  for (int i = 0; i < 100; ++i) {  // Newton's method, kept inside a bracket
    const double error = incomplete_beta(x, a, b) - target;
    (error > 0 ? high : low) = x;
    double next = x - error / (std::pow(x, a - 1) * std::pow(1 - x, b - 1));
    if (!(next > low && next < high)) next = (low + high) / 2;
    if (std::fabs(next - x) <= 1e-16 * x) break;
    x = next;
  }
  return x;
}

}  // namespace sdxl
