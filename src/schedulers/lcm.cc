// Multistep consistency sampling of latent consistency models (Luo et al. 2023, algorithm 1): the
// clean latents are predicted and noised again to the next level.
#include "schedulers/consistency_scheduler.h"
#include "schedulers/sample_limits.h"

namespace sdxl {
namespace {

class LcmScheduler : public ConsistencyScheduler {
 public:
  explicit LcmScheduler(const SchedulerConfig& config)
      : ConsistencyScheduler(config),
        limits_(SampleLimits::read(config, false)),
        timestep_scaling_(config.number("timestep_scaling", 10.0)) {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const at::Tensor original =
        limits_.apply(predict(model_output, alpha(timestep(index)), sample).original);
    // The boundary condition: at timestep 0 the prediction is the sample itself.
    const at::Tensor scaled = at::scalar_tensor(timestep(index), at::kLong) * timestep_scaling_;
    const at::Tensor skip = (scaled.pow(2) + 0.25).reciprocal() * 0.25;
    const at::Tensor out = scaled / (scaled.pow(2) + 0.25).sqrt();
    const at::Tensor denoised = out * original + skip * sample;
    if (is_last(index)) return denoised;
    const at::Tensor next = alpha(timestep(index + 1));
    const at::Tensor noise = draw_noise(model_output, denoised.scalar_type(), generator);
    return next.sqrt() * denoised + (1 - next).sqrt() * noise;
  }

 private:
  const SampleLimits limits_;
  const double timestep_scaling_;
};

}  // namespace

std::unique_ptr<Scheduler> make_lcm(const SchedulerConfig& config) {
  return std::make_unique<LcmScheduler>(config);
}

}  // namespace sdxl
