// Lion (Chen et al. 2023), number for number as lion-pytorch computes it.
//
// Argument: beta2 (0.99), the decay of the momentum. --adam_beta1 weighs the momentum against the
// gradient in the direction of the update.
#include <cmath>

#include "training/optimizers/elementwise_optimizer.h"

namespace sdxl {
namespace {

struct Factors {
  float decay, beta1, one_minus_beta1, beta2, one_minus_beta2, rate;
};

SDXL_SIMD void lion_kernel(const Factors& factors, int64_t size, const float* gradient,
                           float* weight, float* mean) {
  const auto [decay, beta1, one_minus_beta1, beta2, one_minus_beta2, rate] = factors;
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i];
    const float direction = mean[i] * beta1 + one_minus_beta1 * g;
    const float sign = direction > 0.0f ? 1.0f : direction < 0.0f ? -1.0f : direction;
    weight[i] = weight[i] * decay - rate * sign;
    mean[i] = mean[i] * beta2 + one_minus_beta2 * g;
  }
}

class Lion : public ElementwiseOptimizer {
 public:
  Lion(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : ElementwiseOptimizer(std::move(groups), options),
        means_(zero_states()),
        beta1_(options.beta1),
        beta2_(argument("beta2", 0.99)) {}

  NamedTensors state() const override {
    NamedTensors states;
    append_state(states, "exp_avg", means_);
    return states;
  }

 protected:
  void update_block(const UpdateBlock& block) override {
    const double rate = learning_rate(block.index);
    const Factors factors = {static_cast<float>(1.0 - rate * weight_decay(block.index)),
                             static_cast<float>(beta1_),
                             static_cast<float>(1.0 - beta1_),
                             static_cast<float>(beta2_),
                             static_cast<float>(1.0 - beta2_),
                             static_cast<float>(rate)};
    lion_kernel(factors, block.size, block.gradient, block.weight,
                means_[block.index].data_ptr<float>() + block.begin);
  }

  void update_tensors(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& gradients) override {
    std::vector<at::Tensor> means;
    for (size_t index : indices) means.push_back(means_[index]);
    std::vector<at::Tensor> directions = at::_foreach_mul(means, beta1_);
    at::_foreach_add_(directions, gradients, 1.0 - beta1_);
    for (size_t i = 0; i < indices.size(); ++i) {
      const double rate = learning_rate(indices[i]);
      weights[i].mul_(1.0 - rate * weight_decay(indices[i]));
      weights[i].add_(directions[i].sign_(), -rate);
    }
    at::_foreach_mul_(means, beta2_);
    at::_foreach_add_(means, gradients, 1.0 - beta2_);
  }

 private:
  std::vector<at::Tensor> means_;  // float32, in the values' strides
  double beta1_, beta2_;
};

}  // namespace

std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups,
                                     const OptimizerOptions& options) {
  return std::make_unique<Lion>(std::move(groups), options);
}

}  // namespace sdxl
