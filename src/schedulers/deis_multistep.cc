// DEIS (Zhang and Chen 2023), the log-rho multistep variant: the noise is a polynomial in log(rho)
// through the last outputs, rho = sigma / alpha, integrated exactly.
#include "schedulers/log_snr_scheduler.h"

namespace sdxl {
namespace {

constexpr int64_t kFewSteps = 15;  // with fewer, lower_order_final takes effect

class DeisMultistepScheduler : public LogSnrScheduler {
 public:
  explicit DeisMultistepScheduler(const SchedulerConfig& config)
      : LogSnrScheduler(config, {},
                        TimestepSpacing::read(config, TimestepSpacing::Grid::kOpenEnd, "linspace")),
        lower_order_final_(config.flag("lower_order_final", true)) {
    // Those of other solvers stand for the only ones that there are.
    config.choice("algorithm_type", "deis", {"deis", "dpmsolver", "dpmsolver++"});
    config.choice("solver_type", "logrho", {"logrho", "midpoint", "heun", "bh1", "bh2"});
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const Level here = level(index), next = level(index + 1);
    const at::Tensor original = original_sample(model_output, index, sample);
    remember((sample - here.alpha * original) / here.sigma);
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

  /// The integral over the step of the Lagrange polynomial that is 1 at the output `which` calls
  /// back and 0 at the others.
  at::Tensor coefficient(int64_t index, int64_t which, int64_t order) const {
    std::vector<at::Tensor> rho;  // of the outputs, that one first
    for (int64_t k = 0; k < order; ++k) {
      const Level at_output = level(index - (which + k) % order);
      rho.push_back(at_output.sigma / at_output.alpha);
    }
    const Level here = level(index), next = level(index + 1);
    const at::Tensor from = here.sigma / here.alpha, to = next.sigma / next.alpha;
    return order == 2
               ? integral(to, rho[0], rho[1]) - integral(from, rho[0], rho[1])
               : integral(to, rho[0], rho[1], rho[2]) - integral(from, rho[0], rho[1], rho[2]);
  }

  /// Antiderivatives at t of the polynomials in log(rho) that are 1 at b, and 0 at c, or at c and
  /// d.
  static at::Tensor integral(const at::Tensor& t, const at::Tensor& b, const at::Tensor& c) {
    return t * (-c.log() + t.log() - 1) / (b.log() - c.log());
  }
  static at::Tensor integral(const at::Tensor& t, const at::Tensor& b, const at::Tensor& c,
                             const at::Tensor& d) {
    const at::Tensor log_t = t.log(), log_c = c.log(), log_d = d.log();
    return t *
           (log_c * (log_d - log_t + 1) - log_d * log_t + log_d + log_t.pow(2) - 2 * log_t + 2) /
           ((b.log() - log_c) * (b.log() - log_d));
  }

  const bool lower_order_final_;
};

}  // namespace

std::unique_ptr<Scheduler> make_deis_multistep(const SchedulerConfig& config) {
  return std::make_unique<DeisMultistepScheduler>(config);
}

}  // namespace sdxl
