// DPM-Solver-2 in sigma with ancestral noise: two calls of the model a step that goes below the
// next noise level, then fresh noise up to it.
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class Kdpm2AncestralDiscreteScheduler : public SigmaScheduler {
 public:
  explicit Kdpm2AncestralDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {.beta_start = 0.00085, .beta_end = 0.012},
                       {"epsilon", "v_prediction"}, SigmaSpacing::read(config)) {}

  at::Tensor scale_model_input(const at::Tensor& sample, int64_t index) const override {
    return scaled(sample, model_sigma(index));
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const at::Tensor here = model_sigma(index), begin = sigma(index / 2);
    const at::Tensor derivative = (sample - original_sample(model_output, here, sample)) / here;
    if (index % 2 == 0) {
      sample_ = sample;
      return sample + derivative * (middles_[index / 2] - begin);
    }
    const at::Tensor noise = draw_noise(model_output, model_output.scalar_type(), generator);
    return sample_ + derivative * (down_[index / 2] - begin) + noise * up_[index / 2];
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = levels(steps);
    if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) run.timesteps = rounded(run.timesteps);
    run.sigmas.push_back(0.0);
    sigmas_ = float_tensor(run.sigmas);
    const at::Tensor from = sigmas_.slice(0, 0, -1), to = sigmas_.slice(0, 1);
    up_ = (to.pow(2) * (from.pow(2) - to.pow(2)) / from.pow(2)).sqrt();
    down_ = (to.pow(2) - up_.pow(2)).sqrt();
    middles_ = from.log().lerp(down_.log(), 0.5).exp();
    middles_[-1] = 0.0;  // the last step is Euler's
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

  at::Tensor middles_, down_, up_;  // of each step, float32 on the CPU
  at::Tensor sample_;               // at the step's beginning
};

}  // namespace

std::unique_ptr<Scheduler> make_k_dpm_2_ancestral_discrete(const SchedulerConfig& config) {
  return std::make_unique<Kdpm2AncestralDiscreteScheduler>(config);
}

}  // namespace sdxl
