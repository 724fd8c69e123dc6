#include "schedulers/k_dpm_2.h"

namespace sdxl {

Kdpm2::Kdpm2(const SchedulerConfig& config)
    : SigmaScheduler(config, {.beta_start = 0.00085, .beta_end = 0.012},
                     {"epsilon", "v_prediction"}, SigmaSpacing::read(config)) {}

at::Tensor Kdpm2::model_sigma(int64_t index) const {
  return index % 2 == 0 ? sigma(index / 2) : middles_[index / 2];
}

at::Tensor Kdpm2::scale_model_input(const at::Tensor& sample, int64_t index) const {
  return scaled(sample, model_sigma(index));
}

at::Tensor Kdpm2::step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                       const at::Generator& generator) {
  const int64_t number = index / 2;
  const at::Tensor here = model_sigma(index);
  const at::Tensor derivative = (sample - original_sample(model_output, here, sample)) / here;
  if (index % 2 == 1) return end_of_step(number, sample_, derivative, model_output, generator);
  sample_ = sample;
  return sample + derivative * (middles_[number] - sigma(number));
}

void Kdpm2::plan(int64_t steps) {
  Levels run = levels(steps);
  if (sigma_spacing_.kind == SigmaSpacing::Kind::kKarras) run.timesteps = rounded(run.timesteps);
  run.sigmas.push_back(0.0);
  sigmas_ = float_tensor(run.sigmas);
  middles_ = plan_middles();
  const std::vector<double> between = table_.timesteps_of_float(double_values(middles_));
  std::vector<double> timesteps = {run.timesteps.front()};
  for (size_t i = 1; i < run.timesteps.size(); ++i) {
    timesteps.insert(timesteps.end(), {between[i - 1], run.timesteps[i]});
  }
  timesteps_ = float_tensor(timesteps);
}

}  // namespace sdxl
