#include "schedulers/sigma_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

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

float numpy_log(float x) {
  if (!(x > 0) || std::isinf(x)) return std::log(x);
  constexpr float kNumerator[] = {2.589979117907922693523e-02f, 3.808837741388407920751e-01f,
                                  1.480000633576506585156e+00f, 2.112677543073053063722e+00f,
                                  9.999999999999998702752e-01f, 0.0f};
  constexpr float kDenominator[] = {5.875095403124574342950e-03f, 1.546476374983906719538e-01f,
                                    9.864942958519418960339e-01f, 2.453006071784736363091e+00f,
                                    2.612677543073109236779e+00f, 1.0f};
  int exponent = 0;
  float mantissa = std::frexp(x, &exponent);
  if (mantissa <= std::numbers::sqrt2_v<float> / 2) {  // to between sqrt(1/2) and sqrt(2)
    mantissa *= 2;
    exponent -= 1;
  }
  float numerator = 0, denominator = 0;
  for (int i = 0; i < 6; ++i) {
    numerator = std::fma(numerator, mantissa - 1, kNumerator[i]);
    denominator = std::fma(denominator, mantissa - 1, kDenominator[i]);
  }
  return std::fma(static_cast<float>(exponent), std::numbers::ln2_v<float>,
                  numerator / denominator);
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
    log_sigmas_.push_back(numpy_log(static_cast<float>(sigmas_.back())));
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
  const Real bounded = std::max<Real>(sigma, static_cast<Real>(1e-10));
  Real log_sigma;
  if constexpr (std::is_same_v<Real, float>) {
    log_sigma = numpy_log(bounded);
  } else {
    log_sigma = std::log(bounded);
  }
  // The last one that is not above it: with no signal left at the end, a table need not rise there.
  const auto below = std::find_if(log_sigmas_.rbegin(), log_sigmas_.rend(),
                                  [=](float other) { return other <= log_sigma; });
  const auto low = std::clamp<int64_t>(log_sigmas_.rend() - below - 1, 0,
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

/// x up to 1/2 with B_x(a, b) = target, by Newton's method kept inside a bracket.
double solve_incomplete_beta(double target, double a, double b) {
  double low = 0, high = 0.5;
  double x = std::min(high, std::pow(target * a, 1 / a));
  for (int i = 0; i < 100; ++i) {
    const double error = incomplete_beta(x, a, b) - target;
    (error > 0 ? high : low) = x;
    double next = x - error / (std::pow(x, a - 1) * std::pow(1 - x, b - 1));
    if (!(next >= low && next <= high)) next = (low + high) / 2;
    if (std::fabs(next - x) <= 1e-16 * x) break;
    x = next;
  }
  return x;
}

}  // namespace

double beta_quantile(double probability, double a, double b) {
  if (probability <= 0) return 0;
  if (probability >= 1) return 1;
  const double whole = std::exp(std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b));
  const double target = probability * whole;
  if (target <= incomplete_beta(0.5, a, b)) return solve_incomplete_beta(target, a, b);
  return 1 - solve_incomplete_beta((1 - probability) * whole, b, a);
}

}  // namespace sdxl
