#include "schedulers/noise_schedule.h"

#include <cmath>
#include <functional>
#include <numbers>
#include <utility>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"

namespace sdxl {
namespace {

constexpr int64_t kMaximalTrainTimesteps = 1000000;

double cosine_alpha_bar(double t) {
  return std::pow(std::cos((t + 0.008) / 1.008 * std::numbers::pi / 2), 2.0);
}

double laplace_alpha_bar(double t) {
  const double lambda =
      -0.5 * std::copysign(1.0, 0.5 - t) * std::log(1 - 2 * std::fabs(0.5 - t) + 1e-6);
  const double snr = std::exp(lambda);
  return std::sqrt(snr / (1 + snr));
}

double exponential_alpha_bar(double t) { return std::exp(t * -12.0); }

/// Betas that give a continuous abar(t), t from 0 to 1 (Nichol and Dhariwal 2021, section 3.2).
at::Tensor betas_for_alpha_bar(int64_t steps, double (*alpha_bar)(double)) {
  std::vector<double> betas;
  for (int64_t i = 0; i < steps; ++i) {
    const double begin = static_cast<double>(i) / steps, end = static_cast<double>(i + 1) / steps;
    betas.push_back(std::min(1 - alpha_bar(end) / alpha_bar(begin), 0.999));
  }
  return at::tensor(betas, at::kDouble).to(at::kFloat);
}

at::Tensor make_betas(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                      int64_t steps) {
  const double start = config.number("beta_start", traits.beta_start);
  const double end = config.number("beta_end", traits.beta_end);
  std::vector<std::string> schedules = {"linear", "scaled_linear", "squaredcos_cap_v2"};
  schedules.insert(schedules.end(), traits.more_schedules.begin(), traits.more_schedules.end());
  const std::string schedule = config.choice("beta_schedule", traits.beta_schedule, schedules);
  if (schedule == "linear") return at::linspace(start, end, steps, at::kFloat);
  if (schedule == "scaled_linear") {
    return at::linspace(std::sqrt(start), std::sqrt(end), steps, at::kFloat).pow(2);
  }
  if (schedule == "sigmoid") {
    return at::sigmoid(at::linspace(-6, 6, steps, at::kFloat)) * (end - start) + start;
  }
  return betas_for_alpha_bar(steps, schedule == "laplace" ? laplace_alpha_bar
                                    : schedule == "exp"   ? exponential_alpha_bar
                                                          : cosine_alpha_bar);
}

at::Tensor read_betas(const SchedulerConfig& config, const ForwardProcessTraits& traits) {
  const int64_t steps = config.integer("num_train_timesteps", 1000);
  if (steps < 1 || steps > kMaximalTrainTimesteps) {
    config.refuse("num_train_timesteps", str("use 1 to ", kMaximalTrainTimesteps));
  }
  const std::vector<double> trained = config.numbers("trained_betas");
  if (trained.empty()) return make_betas(config, traits, steps);
  if (static_cast<int64_t>(trained.size()) != steps) {
    config.refuse("trained_betas", str("give as many as num_train_timesteps says, ", steps));
  }
  return at::tensor(trained, at::kDouble).to(at::kFloat);
}

/// values[t] as float32 on `like`'s device, to be multiplied with it: [B] -> [B, 1, …].
at::Tensor per_sample(const at::Tensor& values, const at::Tensor& t, const at::Tensor& like) {
  std::vector<int64_t> shape(like.dim(), 1);
  shape[0] = t.size(0);
  return to_device(values.index_select(0, t).view(shape), like.device());
}

}  // namespace

ForwardProcess read_forward_process(const SchedulerConfig& config,
                                    const ForwardProcessTraits& traits) {
  using ZeroSnr = ForwardProcessTraits::ZeroSnr;
  at::Tensor betas = read_betas(config, traits);
  const bool rescale =
      traits.zero_snr != ZeroSnr::kIgnored && config.flag("rescale_betas_zero_snr", false);
  if (rescale) betas = rescale_zero_terminal_snr(betas);
  at::Tensor alphas_cumprod = at::cumprod(1.0 - betas, 0);
  if (rescale && traits.zero_snr == ZeroSnr::kFloored) alphas_cumprod[-1] = std::ldexp(1.0, -24);
  return {betas, alphas_cumprod};
}

at::Tensor rescale_zero_terminal_snr(const at::Tensor& betas) {
  at::Tensor root = at::cumprod(1.0 - betas, 0).sqrt();  // of abar, [T]
  const at::Tensor first = root[0].clone(), last = root[-1].clone();
  root = (root - last) * (first / (first - last));
  const at::Tensor alphas_bar = root.pow(2);
  const at::Tensor alphas =
      at::cat({alphas_bar.slice(0, 0, 1), alphas_bar.slice(0, 1) / alphas_bar.slice(0, 0, -1)});
  return 1.0 - alphas;
}

NoiseSchedule::NoiseSchedule(const Json& config, const std::string& source) {
  const SchedulerConfig read(config, nullptr, source, "ddpm");
  process_ = read_forward_process(read, {.more_schedules = {"laplace", "sigmoid"},
                                         .zero_snr = ForwardProcessTraits::ZeroSnr::kExact});
  prediction_type_ =
      read.choice("prediction_type", "epsilon", {"epsilon", "v_prediction", "sample"});
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& latents, const at::Tensor& noise,
                                    const at::Tensor& t) const {
  return per_sample(alphas_cumprod().sqrt(), t, latents) * latents +
         per_sample((1 - alphas_cumprod()).sqrt(), t, latents) * noise;
}

at::Tensor NoiseSchedule::velocity(const at::Tensor& latents, const at::Tensor& noise,
                                   const at::Tensor& t) const {
  return per_sample(alphas_cumprod().sqrt(), t, latents) * noise -
         per_sample((1 - alphas_cumprod()).sqrt(), t, latents) * latents;
}

at::Tensor NoiseSchedule::snr(const at::Tensor& t) const {
  // As compute_snr of diffusers, which squares the two roots: (sqrt(abar) / sqrt(1 - abar))^2.
  const at::Tensor alpha = alphas_cumprod().sqrt(), sigma = (1 - alphas_cumprod()).sqrt();
  return (alpha / sigma).pow(2).index_select(0, t);
}

}  // namespace sdxl
