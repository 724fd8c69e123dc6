// DDPM (Ho et al. 2020, algorithm 2, with the variances of section 3.2 and of Nichol and Dhariwal
// 2021).
#include "base/error.h"
#include "base/text.h"
#include "schedulers/alpha_scheduler.h"
#include "schedulers/sample_limits.h"

namespace sdxl {
namespace {

class DdpmScheduler : public AlphaScheduler {
 public:
  explicit DdpmScheduler(const SchedulerConfig& config)
      : AlphaScheduler(config,
                       {.more_schedules = {"laplace", "sigmoid"},
                        .zero_snr = ForwardProcessTraits::ZeroSnr::kExact},
                       {"epsilon", "sample", "v_prediction"}, "leading"),
        limits_(SampleLimits::read(config, true)),
        variance_type_(config.choice(
            "variance_type", "fixed_small",
            {"fixed_small", "fixed_small_log", "fixed_large", "learned", "learned_range"})) {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const auto [output, predicted_variance] = split(model_output, sample);
    const int64_t t = timestep(index);
    const at::Tensor here = alpha(t);
    const at::Tensor next = alpha(index + 1 < call_count() ? timestep(index + 1) : -1);
    const at::Tensor step_alpha = here / next, step_beta = 1 - step_alpha;

    const at::Tensor original = limits_.apply(predict(output, here, sample).original);
    const at::Tensor mean = next.sqrt() * step_beta / (1 - here) * original +
                            step_alpha.sqrt() * (1 - next) / (1 - here) * sample;
    if (t == 0) return mean;
    const at::Tensor noise = draw_noise(output, output.scalar_type(), generator);
    return mean + deviation(here, next, step_beta, predicted_variance) * noise;
  }

 protected:
  void plan(int64_t steps) override { visit(spaced(steps)); }
  void plan_timesteps(const std::vector<double>& timesteps) override {
    check_falling(timesteps);
    visit(timesteps);
  }

 private:
  /// The model's output, and the variance that it predicts in a second half of its channels.
  std::pair<at::Tensor, at::Tensor> split(const at::Tensor& output,
                                          const at::Tensor& sample) const {
    if (!variance_type_.starts_with("learned")) return {output, {}};
    if (output.size(1) != 2 * sample.size(1)) {
      throw Error(ExitStatus::kBadData, "the scheduler ", name_, " has variance_type ",
                  variance_type_, ", but the model predicts no variance; set fixed_small");
    }
    const std::vector<at::Tensor> halves = output.split(sample.size(1), 1);
    return {halves[0], halves[1]};
  }

  at::Tensor deviation(const at::Tensor& here, const at::Tensor& next, const at::Tensor& step_beta,
                       const at::Tensor& predicted) const {
    const at::Tensor variance = ((1 - next) / (1 - here) * step_beta).clamp_min(1e-20);
    if (variance_type_ == "fixed_small") return variance.sqrt();
    if (variance_type_ == "fixed_small_log") return (0.5 * variance.log()).exp();
    if (variance_type_ == "fixed_large") return step_beta.sqrt();
    if (variance_type_ == "learned") return predicted.sqrt();
    const at::Tensor share = (predicted + 1) / 2;
    return (0.5 * (share * step_beta.log() + (1 - share) * variance.log())).exp();
  }

  const SampleLimits limits_;
  const std::string variance_type_;
};

}  // namespace

std::unique_ptr<Scheduler> make_ddpm(const SchedulerConfig& config) {
  return std::make_unique<DdpmScheduler>(config);
}

}  // namespace sdxl
