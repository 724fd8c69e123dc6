// Euler's method in sigma (Karras et al. 2022, algorithm 2 without churn).
#include "base/error.h"
#include "base/text.h"
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class EulerDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kFloored},
                       {"epsilon", "v_prediction", "sample", "original_sample"},
                       SigmaSpacing::read(config)),
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
    const std::vector<double> timesteps = spacing_.timesteps(num_train_timesteps(), steps);
    finish(respaced({timesteps, sigmas_at(timesteps, steps)}, steps));
  }

  void plan_timesteps(const std::vector<double>& timesteps) override {
    if (continuous_) {
      throw Error(ExitStatus::kUsage, "--timesteps: the scheduler ", name_,
                  " cannot combine them with timestep_type continuous; leave one of the two out");
    }
    Levels levels = levels_at(timesteps);
    levels.sigmas = sigmas_at(levels.timesteps, static_cast<int64_t>(timesteps.size()));
    finish(levels);
  }

  void plan_sigmas(const std::vector<double>& sigmas) override {
    set_levels({table_.timesteps_of_float({sigmas.begin(), sigmas.end() - 1}), sigmas});
  }

 private:
  /// One for each timestep; where interpolated in log-sigma, evenly spaced over the whole table
  /// instead, and one more than steps.
  std::vector<double> sigmas_at(const std::vector<double>& timesteps, int64_t steps) const {
    if (!log_linear_) return table_.at(timesteps);
    const std::vector<float>& logs = table_.log_sigmas();
    const at::Tensor sigmas = at::linspace(logs.back(), logs.front(), steps + 1, at::kFloat).exp();
    return {sigmas.data_ptr<float>(), sigmas.data_ptr<float>() + sigmas.numel()};
  }

  void finish(Levels levels) {
    levels.sigmas.push_back(ends_at_zero_ ? 0.0 : table_.first());
    set_levels(levels);
  }

  void set_levels(const Levels& levels) {
    sigmas_ = float_tensor(levels.sigmas);
    timesteps_ = float_tensor(levels.timesteps);
    if (continuous_) timesteps_ = 0.25 * sigmas_.slice(0, 0, -1).log();
  }

  const bool log_linear_, ends_at_zero_, continuous_;
};

}  // namespace

std::unique_ptr<Scheduler> make_euler_discrete(const SchedulerConfig& config) {
  return std::make_unique<EulerDiscreteScheduler>(config);
}

}  // namespace sdxl
