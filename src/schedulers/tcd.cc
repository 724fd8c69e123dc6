// Strategic stochastic sampling of trajectory consistency distillation (Zheng et al. 2024,
// algorithm 4): each step goes to timestep (1 - eta) of the next one, then noise is added up to
// that.
#include <cmath>

#include "schedulers/consistency_scheduler.h"

namespace sdxl {
namespace {

class TcdScheduler : public ConsistencyScheduler {
 public:
  explicit TcdScheduler(const SchedulerConfig& config)
      : ConsistencyScheduler(config), eta_(config.run_number("eta", 0.0)) {
    if (!(eta_ >= 0 && eta_ <= 1)) config.refuse("eta", "use 0 to 1");
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const int64_t next = is_last(index) ? 0 : timestep(index + 1);
    const auto below =
        static_cast<int64_t>(std::floor(static_cast<float>(1 - eta_) * static_cast<float>(next)));
    const Prediction prediction = predict(model_output, alpha(timestep(index)), sample);
    const at::Tensor reached = alpha(below);
    const at::Tensor result =
        reached.sqrt() * prediction.original + (1 - reached).sqrt() * prediction.epsilon;
    if (eta_ == 0 || is_last(index)) return result;
    const at::Tensor ratio = alpha(next) / reached;
    const at::Tensor noise = draw_noise(model_output, result.scalar_type(), generator);
    return ratio.sqrt() * result + (1 - ratio).sqrt() * noise;
  }

 private:
  const double eta_;
};

}  // namespace

std::unique_ptr<Scheduler> make_tcd(const SchedulerConfig& config) {
  return std::make_unique<TcdScheduler>(config);
}

}  // namespace sdxl
