// Ancestral sampling with Euler's method: each step goes below the next noise level and adds fresh
// noise up to it.
#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

class EulerAncestralDiscreteScheduler : public SigmaScheduler {
 public:
  explicit EulerAncestralDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kFloored},
                       {"epsilon", "v_prediction"}, {}) {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const at::Tensor x = sample.to(at::kFloat), from = sigma(index), to = sigma(index + 1);
    const at::Tensor up = (to.pow(2) * (from.pow(2) - to.pow(2)) / from.pow(2)).sqrt();
    const at::Tensor down = (to.pow(2) - up.pow(2)).sqrt();
    const at::Tensor derivative = (x - original_sample(model_output, from, x)) / from;
    const at::Tensor next = x + derivative * (down - from);
    const at::Tensor noise = draw_noise(model_output, model_output.scalar_type(), generator);
    return (next + noise * up).to(model_output.scalar_type());
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = levels(steps);
    run.sigmas.push_back(0.0);
    sigmas_ = float_tensor(run.sigmas);
    timesteps_ = float_tensor(run.timesteps);
  }
};

}  // namespace

std::unique_ptr<Scheduler> make_euler_ancestral_discrete(const SchedulerConfig& config) {
  return std::make_unique<EulerAncestralDiscreteScheduler>(config);
}

}  // namespace sdxl
