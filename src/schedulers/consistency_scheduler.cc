#include "schedulers/consistency_scheduler.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

ConsistencyScheduler::ConsistencyScheduler(const SchedulerConfig& config)
    : AlphaScheduler(config,
                     {.beta_start = 0.00085,
                      .beta_end = 0.012,
                      .beta_schedule = "scaled_linear",
                      .zero_snr = ForwardProcessTraits::ZeroSnr::kExact},
                     {"epsilon", "sample", "v_prediction"}, ""),
      original_steps_(config.integer("original_inference_steps", 50)) {
  if (original_steps_ < 1 || original_steps_ > num_train_timesteps()) {
    config.refuse("original_inference_steps", str("use 1 to ", num_train_timesteps()));
  }
  final_alpha_ = read_final_alpha(config, process_, true);
}

void ConsistencyScheduler::plan(int64_t steps) {
  if (steps > original_steps_) {
    throw Error(ExitStatus::kUsage, "--num_inference_steps: ", steps, " steps are more than the ",
                original_steps_, " original_inference_steps from which the scheduler ", name_,
                " chooses");
  }
  const int64_t stride = num_train_timesteps() / original_steps_;
  const double skip = static_cast<double>(original_steps_) / static_cast<double>(steps);
  std::vector<double> timesteps;
  for (int64_t i = 0; i < steps; ++i) {
    const auto skipped = static_cast<int64_t>(std::floor(static_cast<double>(i) * skip));
    timesteps.push_back(static_cast<double>((original_steps_ - skipped) * stride - 1));
  }
  visit(timesteps);
}

void ConsistencyScheduler::plan_timesteps(const std::vector<double>& timesteps) {
  check_falling(timesteps);
  visit(timesteps);
}

}  // namespace sdxl
