#include "schedulers/log_snr_scheduler.h"

#include <cmath>

namespace sdxl {

namespace {

int64_t read_solver_order(const SchedulerConfig& config) {
  const int64_t order = config.integer("solver_order", 2);
  if (order < 1 || order > 3) config.refuse("solver_order", "use 1, 2 or 3");
  return order;
}

}  // namespace

LogSnrScheduler::LogSnrScheduler(const SchedulerConfig& config, const ForwardProcessTraits& traits,
                                 TimestepSpacing spacing)
    : Scheduler(config),
      process_(read_forward_process(config, traits)),
      table_(process_),
      spacing_(std::move(spacing)),
      sigma_spacing_(SigmaSpacing::read(config)),
      prediction_type_(config.choice("prediction_type", "epsilon",
                                     {"epsilon", "sample", "v_prediction", "flow_prediction"})),
      thresholding_(DynamicThresholding::read(config)),
      flow_(config.flag("use_flow_sigmas", false)),
      flow_shift_(config.number("flow_shift", 1.0)),
      solver_order_(read_solver_order(config)) {}

LogSnrScheduler::Level LogSnrScheduler::level(int64_t index) const {
  const at::Tensor value = sigmas_[index];
  const at::Tensor alpha = flow_ ? 1 - value : (value.pow(2) + 1).sqrt().reciprocal();
  const at::Tensor sigma = flow_ ? value : value * alpha;
  return {alpha, sigma, alpha.log() - sigma.log()};
}

at::Tensor LogSnrScheduler::original_sample(const at::Tensor& model_output, int64_t index,
                                            const at::Tensor& sample) const {
  const Level here = level(index);
  at::Tensor original = model_output;
  if (prediction_type_ == "epsilon") {
    original = (sample - here.sigma * model_output) / here.alpha;
  } else if (prediction_type_ == "v_prediction") {
    original = here.alpha * sample - here.sigma * model_output;
  } else if (prediction_type_ == "flow_prediction") {
    original = sample - sigmas_[index] * model_output;
  }
  return thresholding_.apply(original);
}

at::Tensor LogSnrScheduler::epsilon(const at::Tensor& model_output, int64_t index,
                                    const at::Tensor& sample) const {
  const Level here = level(index);
  if (prediction_type_ == "sample") return (sample - here.alpha * model_output) / here.sigma;
  if (prediction_type_ == "v_prediction") return here.alpha * model_output + here.sigma * sample;
  return model_output;
}

LogSnrScheduler::Levels LogSnrScheduler::levels(const std::vector<double>& timesteps,
                                                int64_t steps) const {
  if (!sigma_spacing_.by_timesteps()) {
    const std::vector<double> sigmas = sigma_spacing_.sigmas(table_.last(), table_.first(), steps);
    return {table_.timesteps_of(sigmas), sigmas};
  }
  return flow_ ? flow_levels(steps) : Levels{timesteps, table_.at(timesteps)};
}

LogSnrScheduler::Levels LogSnrScheduler::flow_levels(int64_t steps) const {
  const double train_steps = static_cast<double>(num_train_timesteps());
  Levels run;
  for (double alpha : linspace(1, 1 / train_steps, steps + 1)) {
    const double sigma = 1.0 - alpha;
    run.sigmas.push_back(flow_shift_ * sigma / (1 + (flow_shift_ - 1) * sigma));
  }
  run.sigmas = reversed(std::move(run.sigmas));
  run.sigmas.pop_back();
  for (double sigma : run.sigmas) run.timesteps.push_back(sigma * train_steps);
  return run;
}

void LogSnrScheduler::start(Levels run, double last_sigma) {
  for (double& timestep : run.timesteps) timestep = std::trunc(timestep);
  run.sigmas.push_back(last_sigma);
  timesteps_ = float_tensor(run.timesteps);
  sigmas_ = float_tensor(run.sigmas);
  outputs_.clear();
}

void LogSnrScheduler::remember(const at::Tensor& converted) {
  outputs_.push_front(converted);
  if (static_cast<int64_t>(outputs_.size()) > solver_order_) outputs_.pop_back();
}

}  // namespace sdxl
