// AdamW (Loshchilov and Hutter 2019), number for number as torch.optim.AdamW computes it.
#include <cmath>

#include "training/optimizers/adamw_step.h"

namespace sdxl {
namespace {

template <typename T>
SDXL_SIMD void adamw_kernel(const AdamWFactors& factors, int64_t size, const T* gradient,
                            float scale, float* weight, float* mean, float* variance) {
  const auto [decay, beta1, one_minus_beta1, beta2, one_minus_beta2, correction2_sqrt, epsilon,
              step_size] = factors;
  for (int64_t i = 0; i < size; ++i) {
    const float g = widened(gradient[i]) * scale;
    const float m = mean[i] + one_minus_beta1 * (g - mean[i]);
    const float v = variance[i] * beta2 + (one_minus_beta2 * g) * g;
    const float denominator = std::sqrt(v) / correction2_sqrt + epsilon;
    weight[i] = weight[i] * decay + (-step_size * m) / denominator;
    mean[i] = m;
    variance[i] = v;
  }
}

class AdamW : public AdamWStep {
 public:
  AdamW(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : AdamWStep(std::move(groups), options, {.accepts_raw_gradients = true}),
        means_(zero_states()),
        variances_(zero_states()) {}

  NamedTensors state() const override {
    NamedTensors states;
    append_state(states, "exp_avg", means_);
    append_state(states, "exp_avg_sq", variances_);
    return states;
  }

 protected:
  void update_block(const UpdateBlock& block) override {
    const AdamWFactors factors = factors_of(block.index);
    float* mean = means_[block.index].data_ptr<float>() + block.begin;
    float* variance = variances_[block.index].data_ptr<float>() + block.begin;
    const auto update = [&](const auto* gradient, float scale) {
      adamw_kernel(factors, block.size, gradient, scale, block.weight, mean, variance);
    };
    const RawGradient& raw = block.raw;
    if (raw.values == nullptr) {
      update(block.gradient, 1.0f);
    } else if (raw.dtype == at::kBFloat16) {
      update(static_cast<const at::BFloat16*>(raw.values), raw.scale);
    } else {
      update(static_cast<const float*>(raw.values), raw.scale);
    }
  }

  void update_tensors(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& gradients) override {
    std::vector<at::Tensor> means, variances;
    std::vector<at::Scalar> decays, steps;
    for (size_t index : indices) {
      means.push_back(means_[index]);
      variances.push_back(variances_[index]);
      decays.push_back(1.0 - learning_rate(index) * weight_decay(index));
      steps.push_back(-learning_rate(index) / correction1());
    }
    for (size_t i = 0; i < weights.size(); ++i) weights[i].mul_(decays[i]);
    at::_foreach_lerp_(means, gradients, 1.0 - options().beta1);
    at::_foreach_mul_(variances, options().beta2);
    at::_foreach_addcmul_(variances, gradients, gradients, 1.0 - options().beta2);
    std::vector<at::Tensor> denominators = at::_foreach_sqrt(variances);
    at::_foreach_div_(denominators, correction2_sqrt());
    at::_foreach_add_(denominators, options().epsilon);
    at::_foreach_addcdiv_(weights, means, denominators, steps);
  }

  void choose_arithmetic(sdxl_adamw_step* step) const override { step->lerp = 1; }

  void add_states(size_t index, sdxl_adamw_tensor* tensor) const override {
    tensor->mean = means_[index].mutable_data_ptr();
    tensor->variance = variances_[index].mutable_data_ptr();
  }

 private:
  std::vector<at::Tensor> means_, variances_;  // float32, in the values' strides
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const OptimizerOptions& options) {
  return std::make_unique<AdamW>(std::move(groups), options);
}

}  // namespace sdxl
