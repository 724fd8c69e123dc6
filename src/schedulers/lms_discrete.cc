// Linear multistep in sigma: a polynomial through the last four derivatives is integrated over the
// step (Adams-Bashforth for uneven steps).
#include <cmath>
#include <deque>

#include "schedulers/sigma_scheduler.h"

namespace sdxl {
namespace {

constexpr int64_t kOrder = 4;

/// As in diffusers, only Karras sigmas ignore sigma_min and sigma_max.
SigmaSpacing read_sigma_spacing(const SchedulerConfig& config) {
  SigmaSpacing spacing = SigmaSpacing::read(config);
  if (spacing.kind == SigmaSpacing::Kind::kKarras) spacing.sigma_min = spacing.sigma_max = {};
  return spacing;
}

class LmsDiscreteScheduler : public SigmaScheduler {
 public:
  explicit LmsDiscreteScheduler(const SchedulerConfig& config)
      : SigmaScheduler(config, {}, {"epsilon", "v_prediction", "sample"},
                       read_sigma_spacing(config)) {}

  at::Tensor step(const at::Tensor& model_output, int64_t index, const at::Tensor& sample,
                  const at::Generator&) override {
    derivatives_.push_front((sample - original_sample(model_output, sigma(index), sample)) /
                            sigma(index));
    const int64_t order = std::min(index + 1, kOrder);
    derivatives_.resize(order);
    at::Tensor change;
    for (int64_t i = 0; i < order; ++i) {
      const at::Tensor term = coefficient(index, i, order) * derivatives_[i];
      change = i == 0 ? term : change + term;
    }
    return sample + change;
  }

 protected:
  void plan(int64_t steps) override {
    Levels run = levels(steps);
    run.sigmas = rounded_to_float(std::move(run.sigmas));
    run.sigmas.push_back(0.0);
    sigmas_ = float_tensor(run.sigmas);
    values_ = std::move(run.sigmas);
    timesteps_ = float_tensor(run.timesteps);
    derivatives_.clear();
  }

 private:
  /// The integral over the step of the Lagrange polynomial that is 1 at the sigma `which` steps
  /// back and 0 at the others. Two points of Gauss and Legendre are exact for its degree of up
  /// to 3.
  double coefficient(int64_t index, int64_t which, int64_t order) const {
    const double from = values_[index], to = values_[index + 1];
    const double middle = (from + to) / 2, half = (to - from) / 2;
    double sum = 0.0;
    for (double node : {-1.0 / std::sqrt(3.0), 1.0 / std::sqrt(3.0)}) {
      const double tau = middle + half * node;
      double product = 1.0;
      for (int64_t k = 0; k < order; ++k) {
        if (k == which) continue;
        product *= (tau - values_[index - k]) / (values_[index - which] - values_[index - k]);
      }
      sum += product;
    }
    return half * sum;
  }

  std::vector<double> values_;          // sigmas_
  std::deque<at::Tensor> derivatives_;  // the newest first
};

}  // namespace

std::unique_ptr<Scheduler> make_lms_discrete(const SchedulerConfig& config) {
  return std::make_unique<LmsDiscreteScheduler>(config);
}

}  // namespace sdxl
