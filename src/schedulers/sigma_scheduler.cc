#include "schedulers/sigma_scheduler.h"

namespace sdxl {

SigmaScheduler::SigmaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                               const std::vector<std::string>& prediction_types)
    : Scheduler(config),
      process_(read_forward_process(config, traits)),
      table_(process_),
      spacing_(TimestepSpacing::read(config, TimestepSpacing::Grid::kFractional, "linspace")),
      prediction_type_(config.choice("prediction_type", "epsilon", prediction_types)) {}

double SigmaScheduler::init_noise_sigma() const {
  const at::Tensor most = sigmas_.max();
  return (spacing_.kind == "leading" ? (most.pow(2) + 1).sqrt() : most).item<double>();
}

at::Tensor SigmaScheduler::scale_model_input(const at::Tensor& sample, int64_t index) const {
  return scaled(sample, sigma(index));
}

at::Tensor SigmaScheduler::scaled(const at::Tensor& sample, const at::Tensor& sigma) {
  return sample / (sigma.pow(2) + 1).sqrt();
}

at::Tensor SigmaScheduler::original_sample(const at::Tensor& model_output, const at::Tensor& sigma,
                                           const at::Tensor& sample) const {
  if (prediction_type_ == "epsilon") return sample - sigma * model_output;
  if (prediction_type_ == "v_prediction") {
    return model_output * (-sigma / (sigma.pow(2) + 1).sqrt()) + sample / (sigma.pow(2) + 1);
  }
  return model_output;
}

at::Tensor SigmaScheduler::sigma_tensor(const std::vector<double>& sigmas) {
  return at::tensor(sigmas, at::kDouble).to(at::kFloat);
}

}  // namespace sdxl
