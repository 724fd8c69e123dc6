#include "schedulers/alpha_scheduler.h"

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

AlphaScheduler::AlphaScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                               const std::vector<std::string>& prediction_types,
                               const std::string& default_spacing)
    : Scheduler(config),
      process_(read_forward_process(config, traits)),
      spacing_(default_spacing.empty()
                   ? TimestepSpacing{}
                   : TimestepSpacing::read(config, TimestepSpacing::Grid::kWhole, default_spacing)),
      prediction_type_(config.choice("prediction_type", "epsilon", prediction_types)) {}

at::Tensor AlphaScheduler::alpha(int64_t timestep) const {
  if (timestep < 0) return final_alpha_;
  check_known(timestep);
  return process_.alphas_cumprod[timestep];
}

void AlphaScheduler::check_known(int64_t timestep) const {
  if (timestep >= 0 && timestep < num_train_timesteps()) return;
  throw Error(ExitStatus::kUsage, "the scheduler ", name_, " would visit timestep ", timestep,
              ", outside of 0 to ", num_train_timesteps() - 1,
              "; use other --num_inference_steps, or another timestep_spacing or steps_offset");
}

AlphaScheduler::Prediction AlphaScheduler::predict(const at::Tensor& model_output,
                                                   const at::Tensor& alpha,
                                                   const at::Tensor& sample) const {
  const at::Tensor signal = alpha.sqrt(), noise = (1 - alpha).sqrt();
  if (prediction_type_ == "epsilon") {
    return {(sample - noise * model_output) / signal, model_output};
  }
  if (prediction_type_ == "v_prediction") {
    return {signal * sample - noise * model_output, signal * model_output + noise * sample};
  }
  return {model_output, (sample - signal * model_output) / noise};
}

std::vector<double> AlphaScheduler::spaced(int64_t steps) const {
  if (steps > num_train_timesteps()) {
    throw Error(ExitStatus::kUsage, "--num_inference_steps: ", steps, " steps are more than the ",
                num_train_timesteps(), " timesteps of training, the most that the scheduler ",
                name_, " can take");
  }
  return spacing_.timesteps(num_train_timesteps(), steps);
}

void AlphaScheduler::visit(const std::vector<double>& timesteps) {
  visited_.clear();
  for (double value : timesteps) {
    const auto timestep = static_cast<int64_t>(value);
    check_known(timestep);
    visited_.push_back(timestep);
  }
  timesteps_ = at::tensor(visited_, at::kLong).to(at::kFloat);
}

void AlphaScheduler::check_falling(const std::vector<double>& timesteps) const {
  for (size_t i = 0; i < timesteps.size(); ++i) {
    const double value = timesteps[i];
    const bool known = value >= 0 && value < static_cast<double>(num_train_timesteps());
    if (!known || (i > 0 && value >= timesteps[i - 1])) {
      throw Error(ExitStatus::kUsage, "--timesteps: ", value, " cannot be used by the scheduler ",
                  name_, "; give decreasing numbers from ", num_train_timesteps() - 1, " to 0");
    }
  }
}

at::Tensor read_final_alpha(const SchedulerConfig& config, const ForwardProcess& process,
                            bool default_one) {
  return config.flag("set_alpha_to_one", default_one) ? at::ones({}) : process.alphas_cumprod[0];
}

}  // namespace sdxl
