// DPM-Solver-2 in sigma (Karras et al. 2022, algorithm 2): two calls of the model a step, at its
// beginning and in the middle of its log-sigmas.
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class Kdpm2DiscreteScheduler : public SigmaScheduler {
 public:
  explicit Kdpm2DiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {.beta_start = 0.00085, .beta_end = 0.012},
                       {"epsilon", "v_prediction"}, SigmaSpacing::read(config)) {}

  at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const override {
    return scaled(sample, model_sigma(index));
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    const at::Tensor here = model_sigma(index), begin = sigma(index / 2);
    const at::Tensor derivative = (sample - original_sample(model_output, here, sample)) / here;
    if (index % 2 == 0) {
      sample_ = sample;
      return sample + derivative * (middles_[index / 2] - begin);
    }
    return sample_ + derivative * (sigma(index / 2 + 1) - begin);
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = levels(steps);
    if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) run.timesteps = rounded(run.timesteps);
    run.sigmas.push_back(0.0);
    sigmas_ = float_tensor(run.sigmas);
    // Towards sigma 0 the middle is 0 too: the last step is Euler's.
    middles_ = sigmas_.slice(0, 1).log().lerp(sigmas_.slice(0, 0, -1).log(), 0.5).exp();
    const std::vector<double> between = table_.timesteps_of_float(double_values(middles_));
    std::vector<double> timesteps = {run.timesteps.front()};
    for (size_t i = 1; i < run.timesteps.size(); ++i) {
      timesteps.insert(timesteps.end(), {between[i - 1], run.timesteps[i]});
    }
    timesteps_ = float_tensor(timesteps);
  }

 private:
  /// The noise level at which call `index` finds the latents.
  at::Tensor model_sigma(int64_t index) const {
    return index % 2 == 0 ? sigma(index / 2) : middles_[index / 2];
  }

  at::Tensor middles_;  // of each step, float32 on the CPU
  at::Tensor sample_;   // at the step's beginning
};

}  // namespace

std::unique_ptr<Scheduler> make_k_dpm_2_discrete(const SchedulerConfig& config) {
  return std::make_unique<Kdpm2DiscreteScheduler>(config);
}

}  // namespace sdxl
