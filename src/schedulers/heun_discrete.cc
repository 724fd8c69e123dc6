// Heun's method in sigma (Karras et al. 2022, algorithm 1 without churn): two calls of the model a
// step, at its beginning and at its end; the last step is Euler's.
#include "schedulers/sample_limits.h"
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class HeunDiscreteScheduler : public SigmaScheduler {
 public:
  explicit HeunDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config,
                       {.beta_start = 0.00085, .beta_end = 0.012, .more_schedules = {"exp"}},
                       {"epsilon", "v_prediction", "sample"}, SigmaSpacing::read(config)),
        clipping_(SampleClipping::read(config, false)) {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const at::Tensor here = sigma(index);
    const at::Tensor original = clipping_.apply(original_sample(model_output, here, sample));
    const at::Tensor derivative = (sample - original) / here;
    if (index % 2 == 0) {
      derivative_ = derivative;
      change_ = sigma(index + 1) - here;
      sample_ = sample;
      return sample + derivative * change_;
    }
    return sample_ + (derivative_ + derivative) / 2 * change_;
  }

 protected:
  void plan(int64_t steps) override { set_levels(levels(steps)); }
  void plan_timesteps(const std::vector<double>& timesteps) override {
    set_levels(levels_at(timesteps));
  }

 private:
  /// s0, s1, s1, …, sn, sn, 0: the model is called at both ends of each step but the last.
  void set_levels(const Levels& run) {
    std::vector<double> sigmas, timesteps;
    for (size_t i = 0; i < run.sigmas.size(); ++i) {
      sigmas.insert(sigmas.end(), i == 0 ? 1 : 2, run.sigmas[i]);
    }
    for (size_t i = 0; i < run.timesteps.size(); ++i) {
      timesteps.insert(timesteps.end(), i == 0 ? 1 : 2, run.timesteps[i]);
    }
    sigmas.push_back(0.0);
    sigmas_ = float_tensor(sigmas);
    timesteps_ = float_tensor(timesteps);
  }

  const SampleClipping clipping_;
  at::Tensor derivative_, change_, sample_;  // of the step's first half
};

}  // namespace

std::unique_ptr<Scheduler> make_heun_discrete(const SchedulerConfig& config) {
  return std::make_unique<HeunDiscreteScheduler>(config);
}

}  // namespace sdxl
