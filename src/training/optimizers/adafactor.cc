// Adafactor (Shazeer and Stern 2018), number for number as transformers.Adafactor computes it with
// relative_step=False: the learning rate comes from the schedule.
//
// Arguments and their defaults:
//   clip_threshold (1)     greatest root mean square of an update
//   decay_rate (-0.8)      exponent of the second moment's decay
//   epsilon (1e-30)        added to squared gradients
//   scale_parameter (0)    1 multiplies the learning rate by the weight's root mean square,
//   minimal_scale (1e-3)   which counts as at least this
//   beta1 (0)              decay of a first moment; 0 keeps none
#include <cmath>

#include "training/optimizers/whole_tensor_optimizer.h"

namespace sdxl {
namespace {

at::Tensor root_mean_square(const at::Tensor& x) {
  return x.norm(2) / std::sqrt(static_cast<double>(x.numel()));
}

class Adafactor : public WholeTensorOptimizer {
 public:
  Adafactor(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : WholeTensorOptimizer(std::move(groups), options),
        beta1_(argument("beta1", 0.0)),
        clip_threshold_(argument("clip_threshold", 1.0)),
        decay_rate_(argument("decay_rate", -0.8)),
        epsilon_(argument("epsilon", 1e-30)),
        minimal_scale_(argument("minimal_scale", 1e-3)),
        scale_parameter_(argument("scale_parameter", 0.0) != 0.0) {
    if (beta1_ > 0.0) means_ = zero_states();
    for (const TrainedTensor& tensor : tensors()) moments_.push_back(zero_moments(tensor.value));
  }

  NamedTensors state() const override {
    NamedTensors states;
    append_state(states, "exp_avg", means_);
    for (size_t i = 0; i < moments_.size(); ++i) {
      const std::string& name = tensors()[i].name;
      if (moments_[i].full.defined()) {
        states.emplace_back("exp_avg_sq." + name, moments_[i].full);
      } else {
        states.emplace_back("exp_avg_sq_row." + name, moments_[i].row);
        states.emplace_back("exp_avg_sq_col." + name, moments_[i].column);
      }
    }
    return states;
  }

 protected:
  void update_tensor(size_t index, const at::Tensor& weight, const at::Tensor& gradient) override {
    // 1. The second moment, and from it the update.
    const double rest = std::pow(static_cast<double>(steps_taken()), decay_rate_);
    const Moments& moments = moments_[index];
    const at::Tensor squares = gradient.square().add_(epsilon_);
    if (moments.full.defined()) {
      moments.full.mul_(1.0 - rest).add_(squares, rest);
      gradient.mul_(moments.full.rsqrt());
    } else {
      moments.row.mul_(1.0 - rest).add_(squares.mean(-1), rest);
      moments.column.mul_(1.0 - rest).add_(squares.mean(-2), rest);
      gradient.mul_((moments.row / moments.row.mean(-1, /*keepdim=*/true)).rsqrt_().unsqueeze(-1));
      gradient.mul_(moments.column.rsqrt().unsqueeze(-2));
    }

    // 2. Clipped, and times the learning rate.
    at::Tensor factor = (root_mean_square(gradient) / clip_threshold_).clamp_min_(1.0);
    factor = learning_rate(index) / factor;
    at::Tensor decay = at::scalar_tensor(learning_rate(index) * weight_decay(index),
                                         weight.options().requires_grad(false));
    if (scale_parameter_) {
      const at::Tensor size = root_mean_square(weight).clamp_min_(minimal_scale_);
      factor = factor * size;
      decay = decay * size;
    }
    gradient.mul_(factor);

    // 3. The step.
    if (weight_decay(index) != 0.0) weight.sub_(weight * decay);
    weight.sub_(beta1_ > 0.0 ? means_[index].mul_(beta1_).add_(gradient, 1.0 - beta1_) : gradient);
  }

 private:
  /// The second moment: for matrices (the last two dimensions) means over rows and over columns.
  struct Moments {
    at::Tensor row, column, full;  // float32
  };

  static Moments zero_moments(const at::Tensor& value) {
    const auto float32 = value.options().dtype(at::kFloat).requires_grad(false);
    std::vector<int64_t> rows = value.sizes().vec(), columns = rows;
    if (value.dim() < 2) return {{}, {}, at::zeros(rows, float32)};
    rows.pop_back();
    columns.erase(columns.end() - 2);
    return {at::zeros(rows, float32), at::zeros(columns, float32), {}};
  }

  double beta1_, clip_threshold_, decay_rate_, epsilon_, minimal_scale_;
  bool scale_parameter_;
  std::vector<at::Tensor> means_;  // float32, in the values' strides; none without beta1
  std::vector<Moments> moments_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adafactor(std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options) {
  return std::make_unique<Adafactor>(std::move(groups), options);
}

}  // namespace sdxl
