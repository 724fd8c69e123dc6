#include "schedulers/trajectory.h"

#include <ATen/CPUGeneratorImpl.h>

#include "schedulers/registry.h"

namespace sdxl {
namespace {

at::Tensor stand_in(const at::Tensor& input, const at::Tensor& timestep, bool learned) {
  const at::Tensor x = input.to(at::kFloat);
  at::Tensor output = (1.3 * x + 0.002 * timestep).sin() * 0.7 + (2.1 * x).cos() * 0.2;
  if (learned) output = at::cat({output, (0.5 * x).sin()}, 1);
  return output.to(input.scalar_type());
}

void plan(Scheduler& scheduler, const Json& run) {
  if (run.contains("timesteps")) {
    scheduler.set_custom_timesteps(run["timesteps"].get<std::vector<double>>());
  } else if (run.contains("sigmas")) {
    scheduler.set_custom_sigmas(run["sigmas"].get<std::vector<double>>());
  } else {
    scheduler.set_timesteps(run["steps"].get<int64_t>());
  }
}

at::ScalarType dtype_of(const Json& run) {
  const std::string name = run.value("dtype", "float32");
  return name == "float16" ? at::kHalf : name == "bfloat16" ? at::kBFloat16 : at::kFloat;
}

}  // namespace

Trajectory run_trajectory(const Json& run) {
  const auto scheduler = make_scheduler(run.value("name", ""), run.at("config"),
                                        run.value("overrides", Json()), "config");
  plan(*scheduler, run);
  Trajectory result{scheduler->timesteps(), scheduler->init_noise_sigma(), {}};
  const auto generator = at::make_generator<at::CPUGeneratorImpl>(run["seed"].get<uint64_t>());
  const auto shape = run["shape"].get<std::vector<int64_t>>();
  at::Tensor latents = at::randn(shape, generator, at::TensorOptions(dtype_of(run)));
  latents = latents * scheduler->init_noise_sigma();
  for (int64_t i = 0; i < result.timesteps.size(0); ++i) {
    const at::Tensor input = scheduler->scale_model_input(latents, i);
    const at::Tensor output = stand_in(input, result.timesteps[i], run.value("learned", false));
    latents = scheduler->step(output, i, latents, generator);
    result.samples.push_back(latents);
  }
  return result;
}

}  // namespace sdxl
