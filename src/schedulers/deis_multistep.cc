// DEIS (Zhang and Chen 2023), the log-rho multistep variant: the noise is a polynomial in log(rho)
// through the last outputs, rho = sigma / alpha, integrated exactly.
#include "schedulers/log_snr_scheduler.h"

namespace sdxl {
namespace {

class DeisMultistepScheduler : public LogSnrScheduler {
 public:
  explicit DeisMultistepScheduler(const SchedulerConfig& config)
      : LogSnrScheduler(config, {},
                        TimestepSpacing::read(config, TimestepSpacing::Grid::kOpenEnd, "linspace")),
        lower_order_final_(config.flag("lower_order_final", true)) {
    // Values of other solvers are accepted and mean the only one that DEIS has, as in diffusers.
    config.choice("algorithm_type", "deis", {"deis", "dpmsolver", "dpmsolver++"});
    config.choice("solver_type", "logrho", {"logrho", "midpoint", "heun", "bh1", "bh2"});
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const Level here = level(index), next = level(index + 1);
    const at::Tensor original = original_sample(model_output, index, sample);
    const bool flow = prediction_type_ == "flow_prediction";
    remember((sample - here.alpha * original) / (flow ? sigmas_[index] : here.sigma));
    const int64_t steps = order(index);
    if (steps == 1) {
      const at::Tensor h = next.lambda - here.lambda;
      return next.alpha / here.alpha * sample - next.sigma * (h.exp() - 1.0) * outputs_[0];
    }
    at::Tensor result = sample / here.alpha;
    for (int64_t i = 0; i < steps; ++i) {
      result = result + coefficient(index, i, steps) * outputs_[i];
    }
    return next.alpha * result;
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = levels(spacing_.timesteps(num_train_timesteps(), steps), steps);
    if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) run.timesteps = rounded(run.timesteps);
    const bool respaced = !sigma_spacing_.by_timesteps() || flow_;
    const double last = respaced ? run.sigmas.back() : table_.first();
    start(std::move(run), last);
  }

 private:
  int64_t order(int64_t index) const {
    const bool few = lower_order_final_ && call_count() < kFewSteps;
    return std::min(
        {static_cast<int64_t>(outputs_.size()), few ? call_count() - index : 3, int64_t{3}});
  }

  float rho(int64_t index) const {
    const Level at_index = level(index);
    return (at_index.sigma / at_index.alpha).item<float>();
  }

  /// The integral over the step of the Lagrange polynomial that is 1 at the output `which` calls
  /// back and 0 at the others.
  at::Tensor coefficient(int64_t index, int64_t which, int64_t order) const {
    const float from = rho(index), to = rho(index + 1);
    float nodes[3];  // of the outputs, that one first
    for (int64_t k = 0; k < order; ++k) nodes[k] = rho(index - (which + k) % order);
    const auto [b, c, d] = nodes;
    const float value = order == 2 ? integral(to, b, c) - integral(from, b, c)
                                   : integral(to, b, c, d) - integral(from, b, c, d);
    return at::scalar_tensor(value, at::kFloat);
  }

  /// Antiderivatives at t of the polynomials in log(rho) that are 1 at b, and 0 at c, or at c and
  /// d.
  static float integral(float t, float b, float c) {
    const float log_b = numpy_log(b), log_c = numpy_log(c);
    return t * (-log_c + numpy_log(t) - 1) / (log_b - log_c);
  }
  static float integral(float t, float b, float c, float d) {
    const float log_t = numpy_log(t), log_b = numpy_log(b), log_c = numpy_log(c);
    const float log_d = numpy_log(d);
    return t *
           (log_c * (log_d - log_t + 1) - log_d * log_t + log_d + log_t * log_t - 2 * log_t + 2) /
           ((log_b - log_c) * (log_b - log_d));
  }

  const bool lower_order_final_;
};

}  // namespace

std::unique_ptr<Scheduler> make_deis_multistep(const SchedulerConfig& config) {
  return std::make_unique<DeisMultistepScheduler>(config);
}

}  // namespace sdxl
