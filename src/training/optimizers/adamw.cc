// AdamW (Loshchilov and Hutter 2019), number for number as torch.optim.AdamW computes it.
#include <cmath>

#include "training/optimizers/fused_adamw.h"
#include "training/optimizers/optimizers.h"

namespace sdxl {
namespace {

/// What one step multiplies by; corrections in double, then float32, as torch does.
struct Factors {
  float decay, beta1_rest, beta2, beta2_rest, correction2_sqrt, epsilon, step_size;
};

SDXL_SIMD void adamw_kernel(const Factors& factors, int64_t size, const float* gradient,
                            float* weight, float* mean, float* variance) {
  const auto [decay, beta1_rest, beta2, beta2_rest, correction2_sqrt, epsilon, step_size] = factors;
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i];
    const float m = mean[i] + beta1_rest * (g - mean[i]);
    const float v = variance[i] * beta2 + (beta2_rest * g) * g;
    const float denominator = std::sqrt(v) / correction2_sqrt + epsilon;
    weight[i] = weight[i] * decay + (-step_size * m) / denominator;
    mean[i] = m;
    variance[i] = v;
  }
}

class AdamW : public Optimizer {
 public:
  AdamW(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : Optimizer(std::move(groups), options), means_(zero_states()), variances_(zero_states()) {}

  NamedTensors state() const override {
    NamedTensors states;
    append_state(states, "exp_avg", means_);
    append_state(states, "exp_avg_sq", variances_);
    return states;
  }

 protected:
  void prepare() override {
    const double step = static_cast<double>(steps_taken());
    correction1_ = 1.0 - std::pow(options().beta1, step);
    correction2_sqrt_ = std::sqrt(1.0 - std::pow(options().beta2, step));
  }

  void update_block(const UpdateBlock& block) override {
    const double rate = learning_rate(block.index);
    const Factors factors = {static_cast<float>(1.0 - rate * weight_decay(block.index)),
                             static_cast<float>(1.0 - options().beta1),
                             static_cast<float>(options().beta2),
                             static_cast<float>(1.0 - options().beta2),
                             static_cast<float>(correction2_sqrt_),
                             static_cast<float>(options().epsilon),
                             static_cast<float>(rate / correction1_)};
    adamw_kernel(factors, block.size, block.gradient, block.weight,
                 means_[block.index].data_ptr<float>() + block.begin,
                 variances_[block.index].data_ptr<float>() + block.begin);
  }

  void update_tensors(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& gradients) override {
    std::vector<at::Tensor> means, variances;
    std::vector<at::Scalar> decays, steps;
    for (size_t index : indices) {
      means.push_back(means_[index]);
      variances.push_back(variances_[index]);
      decays.push_back(1.0 - learning_rate(index) * weight_decay(index));
      steps.push_back(-learning_rate(index) / correction1_);
    }
    for (size_t i = 0; i < weights.size(); ++i) weights[i].mul_(decays[i]);
    at::_foreach_lerp_(means, gradients, 1.0 - options().beta1);
    at::_foreach_mul_(variances, options().beta2);
    at::_foreach_addcmul_(variances, gradients, gradients, 1.0 - options().beta2);
    std::vector<at::Tensor> denominators = at::_foreach_sqrt(variances);
    at::_foreach_div_(denominators, correction2_sqrt_);
    at::_foreach_add_(denominators, options().epsilon);
    at::_foreach_addcdiv_(weights, means, denominators, steps);
  }

  bool update_fused(const std::vector<size_t>& indices,
                    const std::vector<at::Tensor>& gradients) override {
    const at::Device device = tensors().front().value.device();
    if (operators_for(device) == nullptr) return false;
    sdxl_adamw_step step{};
    step.gradient_scale = static_cast<float>(scale().gradient);
    step.beta1 = static_cast<float>(options().beta1);
    step.beta1_rest = static_cast<float>(1.0 - options().beta1);
    step.beta2 = static_cast<float>(options().beta2);
    step.beta2_rest = static_cast<float>(1.0 - options().beta2);
    step.correction2_sqrt = static_cast<float>(correction2_sqrt_);
    step.epsilon = static_cast<float>(options().epsilon);
    step.lerp = 1;
    std::vector<sdxl_adamw_tensor> list;
    for (size_t i = 0; i < indices.size(); ++i) {
      const size_t index = indices[i];
      sdxl_adamw_tensor fused =
          fused_tensor(tensors()[index], gradients[i], element_seed(rounding_seed(), index));
      fused.mean = means_[index].mutable_data_ptr();
      fused.variance = variances_[index].mutable_data_ptr();
      const double rate = learning_rate(index);
      fused.decay = static_cast<float>(1.0 - rate * weight_decay(index));
      fused.step_size = static_cast<float>(rate / correction1_);
      list.push_back(fused);
    }
    fused_adamw(step, list, device);
    return true;
  }

 private:
  std::vector<at::Tensor> means_, variances_;  // float32, in the values' strides
  double correction1_ = 1.0, correction2_sqrt_ = 1.0;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const OptimizerOptions& options) {
  return std::make_unique<AdamW>(std::move(groups), options);
}

}  // namespace sdxl
