// DPM-Solver-2 in sigma with ancestral noise: two calls of the model a step that goes below the
// next noise level, then fresh noise up to it.
#include "schedulers/k_dpm_2.h"

namespace sdxl {
namespace {

class Kdpm2AncestralDiscreteScheduler : public Kdpm2 {
 public:
  explicit Kdpm2AncestralDiscreteScheduler(const SchedulerConfig& config) : Kdpm2(config) {}

 protected:
  at::Tensor plan_middles() override {
    const at::Tensor from = sigmas_.slice(0, 0, -1), to = sigmas_.slice(0, 1);
    up_ = (to.pow(2) * (from.pow(2) - to.pow(2)) / from.pow(2)).sqrt();
    down_ = (to.pow(2) - up_.pow(2)).sqrt();
    at::Tensor middles = from.log().lerp(down_.log(), 0.5).exp();
    middles[-1] = 0.0;  // the last step is Euler's
    return middles;
  }

  at::Tensor end_of_step(int64_t number, const at::Tensor& begin, const at::Tensor& derivative,
                         const at::Tensor& model_output, const at::Generator& generator) override {
    const at::Tensor noise = draw_noise(model_output, model_output.scalar_type(), generator);
    return begin + derivative * (down_[number] - sigma(number)) + noise * up_[number];
  }

 private:
  at::Tensor down_, up_;  // of each step, float32 on the CPU
};

}  // namespace

std::unique_ptr<Scheduler> make_k_dpm_2_ancestral_discrete(const SchedulerConfig& config) {
  return std::make_unique<Kdpm2AncestralDiscreteScheduler>(config);
}

}  // namespace sdxl
