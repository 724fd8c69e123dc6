// DPM-Solver-2 in sigma (Karras et al. 2022, algorithm 2): two calls of the model a step, at its
// beginning and in the middle of its log-sigmas.
#include "schedulers/k_dpm_2.h"

namespace sdxl {
namespace {

class Kdpm2DiscreteScheduler : public Kdpm2 {
 public:
  explicit Kdpm2DiscreteScheduler(const SchedulerConfig& config) : Kdpm2(config) {}

 protected:
  at::Tensor plan_middles() override {
    // Towards sigma 0 the middle is 0 too: the last step is Euler's.
    return sigmas_.slice(0, 1).log().lerp(sigmas_.slice(0, 0, -1).log(), 0.5).exp();
  }

  at::Tensor end_of_step(int64_t number, const at::Tensor& begin, const at::Tensor& derivative,
                         const at::Tensor&, const at::Generator&) override {
    return begin + derivative * (sigma(number + 1) - sigma(number));
  }
};

}  // namespace

std::unique_ptr<Scheduler> make_k_dpm_2_discrete(const SchedulerConfig& config) {
  return std::make_unique<Kdpm2DiscreteScheduler>(config);
}

}  // namespace sdxl
