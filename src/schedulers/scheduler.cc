#include "schedulers/scheduler.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "device/device.h"
#include "schedulers/scheduler_config.h"

namespace sdxl {

Scheduler::Scheduler(const SchedulerConfig& config) : name_(config.scheduler()) {}

void Scheduler::set_timesteps(int64_t steps) {
  if (steps < 1) {
    throw Error(ExitStatus::kUsage, "--num_inference_steps: ", steps, " is too few; use 1 or more");
  }
  plan(steps);
}

namespace {

void check_values(const std::string& option, const std::vector<double>& values, size_t least) {
  if (values.size() < least) {
    throw Error(ExitStatus::kUsage, option, ": ", values.size(), " values are too few; give ",
                least, " or more");
  }
  for (double value : values) {
    if (!std::isfinite(value)) {
      throw Error(ExitStatus::kUsage, option, ": ", value, " is not a finite number");
    }
  }
}

}  // namespace

void Scheduler::set_custom_timesteps(const std::vector<double>& timesteps) {
  check_values("--timesteps", timesteps, 1);
  plan_timesteps(timesteps);
}

void Scheduler::set_custom_sigmas(const std::vector<double>& sigmas) {
  check_values("--sigmas", sigmas, 2);
  plan_sigmas(sigmas);
}

void Scheduler::plan_timesteps(const std::vector<double>&) {
  throw Error(ExitStatus::kUsage, "--timesteps: the scheduler ", name_,
              " does not support explicit ones; use --num_inference_steps, or ",
              "--scheduler euler");
}

void Scheduler::plan_sigmas(const std::vector<double>&) {
  throw Error(ExitStatus::kUsage, "--sigmas: the scheduler ", name_,
              " does not support explicit ones; use --num_inference_steps, or ",
              "--scheduler euler");
}

at::Tensor Scheduler::draw_noise(const at::Tensor& like, at::ScalarType dtype,
                                 const at::Generator& generator) {
  return to_device(at::randn(like.sizes(), generator, at::TensorOptions(dtype)), like.device());
}

}  // namespace sdxl
