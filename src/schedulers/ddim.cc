// DDIM (Song et al. 2021), formulas (12) and (16).
#include "schedulers/alpha_scheduler.h"
#include "schedulers/sample_limits.h"

namespace sdxl {
namespace {

class DdimScheduler : public AlphaScheduler {
 public:
  explicit DdimScheduler(const SchedulerConfig& config)
      : AlphaScheduler(config, {.zero_snr = ForwardProcessTraits::ZeroSnr::kExact},
                       {"epsilon", "sample", "v_prediction"}, "leading"),
        limits_(SampleLimits::read(config, true)),
        eta_(config.run_number("eta", 0.0)) {
    if (!(eta_ >= 0 && eta_ <= 1)) config.refuse("eta", "use 0 to 1");
    final_alpha_ = read_final_alpha(config, process_, true);
  }

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator& generator) override {
    const int64_t t = timestep(index);
    const at::Tensor here = alpha(t), next = alpha(t - stride_);
    Prediction prediction = predict(model_output, here, sample);
    prediction.original = limits_.apply(prediction.original);

    const at::Tensor variance = (1 - next) / (1 - here) * (1 - here / next);
    const at::Tensor deviation = eta_ * variance.sqrt();
    const at::Tensor direction = (1 - next - deviation.pow(2)).sqrt() * prediction.epsilon;
    const at::Tensor result = next.sqrt() * prediction.original + direction;
    if (eta_ == 0) return result;
    return result + deviation * draw_noise(model_output, model_output.scalar_type(), generator);
  }

 protected:
  void plan(int64_t steps) override {
    visit(spaced(steps));
    stride_ = num_train_timesteps() / steps;
  }

 private:
  const SampleLimits limits_;
  const double eta_;
  int64_t stride_ = 0;  // from one timestep to the next, whatever their spacing
};

}  // namespace

std::unique_ptr<Scheduler> make_ddim(const SchedulerConfig& config) {
  return std::make_unique<DdimScheduler>(config);
}

}  // namespace sdxl
