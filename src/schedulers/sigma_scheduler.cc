#include "schedulers/sigma_scheduler.h"

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

SigmaScheduler::SigmaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                               const std::vector<std::string>& prediction_types,
                               SigmaSpacing sigma_spacing)
    : Scheduler(config),
      process_(read_forward_process(config, traits)),
      table_(process_),
      spacing_(TimestepSpacing::read(config, TimestepSpacing::Grid::kFractional, "linspace")),
      sigma_spacing_(std::move(sigma_spacing)),
      prediction_type_(config.choice("prediction_type", "epsilon", prediction_types)) {}

SigmaScheduler::Levels SigmaScheduler::levels(int64_t steps) const {
  std::vector<double> timesteps = spacing_.timesteps(num_train_timesteps(), steps);
  return respaced({timesteps, table_.at(timesteps)}, steps);
}

SigmaScheduler::Levels SigmaScheduler::levels_at(const std::vector<double>& timesteps) const {
  if (!sigma_spacing_.by_timesteps()) {
    throw Error(ExitStatus::kUsage, "--timesteps: the scheduler ", name_,
                " cannot combine them with Karras, exponential or beta sigmas; leave one "
                "of the two out");
  }
  const std::vector<double> values = rounded_to_float(timesteps);
  return {values, table_.at(values)};
}

SigmaScheduler::Levels SigmaScheduler::respaced(Levels levels, int64_t steps) const {
  if (sigma_spacing_.by_timesteps()) return levels;
  const std::vector<double> sigmas =
      sigma_spacing_.sigmas(levels.sigmas.front(), levels.sigmas.back(), steps);
  return {table_.timesteps_of(sigmas), sigmas};
}

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

}  // namespace sdxl
