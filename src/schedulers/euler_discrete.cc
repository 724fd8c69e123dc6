// Euler's method in sigma (Karras et al. 2022, algorithm 2 without churn).
#include <cmath>

#include "base/error.h"
#include "schedulers/factories.h"
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class EulerDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kFloored},
                       {"epsilon", "v_prediction", "sample", "original_sample"}),
        sigma_spacing_(SigmaSpacing::read(config)),
        log_linear_(config.choice("interpolation_type", "linear", {"linear", "log_linear"}) ==
                    "log_linear"),
        ends_at_zero_(config.choice("final_sigmas_type", "zero", {"zero", "sigma_min"}) == "zero"),
        continuous_(config.choice("timestep_type", "discrete", {"discrete", "continuous"}) ==
                        "continuous" &&
                    prediction_type_ == "v_prediction") {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const at::Tensor x = sample.to(at::kFloat);
    const at::Tensor derivative =
        (x - original_sample(model_output, sigma(index), x)) / sigma(index);
    return (x + derivative * (sigma(index + 1) - sigma(index))).to(model_output.scalar_type());
  }

 protected:
  void plan(int64_t steps) override {
    plan_from(spacing_.timesteps(num_train_timesteps(), steps), steps);
  }

  void plan_timesteps(const std::vector<double>& timesteps) override {
    if (!sigma_spacing_.by_timesteps() || continuous_) {
      throw Error(ExitStatus::kUsage,
                  "--timesteps: can't be had together with Karras, exponential or beta sigmas or "
                  "continuous timesteps; leave one of them out");
    }
    plan_from(rounded_to_float(timesteps), static_cast<int64_t>(timesteps.size()));
  }

  void plan_sigmas(const std::vector<double>& sigmas) override {
    finish(table_.timesteps_of_float({sigmas.begin(), sigmas.end() - 1}), sigmas);
  }

 private:
  void plan_from(std::vector<double> timesteps, int64_t steps) {
    std::vector<double> sigmas = log_linear_ ? log_linear_sigmas(steps) : table_.at(timesteps);
    if (!sigma_spacing_.by_timesteps()) {
      sigmas = sigma_spacing_.sigmas(sigmas.front(), sigmas.back(), steps);
      timesteps = table_.timesteps_of(sigmas);
    }
    sigmas.push_back(ends_at_zero_ ? 0.0 : table_.first());
    finish(timesteps, sigmas);
  }

  /// One more than steps, evenly spaced in log-sigma over the whole table.
  std::vector<double> log_linear_sigmas(int64_t steps) const {
    const std::vector<float>& logs = table_.log_sigmas();
    const at::Tensor sigmas = at::linspace(logs.back(), logs.front(), steps + 1, at::kFloat).exp();
    return {sigmas.data_ptr<float>(), sigmas.data_ptr<float>() + sigmas.numel()};
  }

  void finish(const std::vector<double>& timesteps, const std::vector<double>& sigmas) {
    sigmas_ = sigma_tensor(sigmas);
    set_timestep_values(timesteps);
    if (continuous_) timesteps_ = 0.25 * sigmas_.slice(0, 0, -1).log();
  }

  const SigmaSpacing sigma_spacing_;
  const bool log_linear_, ends_at_zero_, continuous_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler_discrete(const SchedulerConfig& config) {
  return std::make_unique<EulerDiscreteScheduler>(config);
}

}  // namespace sdxl
