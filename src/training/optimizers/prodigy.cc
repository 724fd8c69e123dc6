// Prodigy (Mishchenko and Defazio 2023), number for number as prodigyopt computes it: AdamW whose
// step size d is estimated from the distance to the initial weights. --learning_rate multiplies d
// and is usually 1.
//
// Arguments and their defaults:
//   beta3 (root of beta2)     decay of the sums that d is estimated from
//   d0 (1e-6)                 the first d
//   d_coef (1)                multiplies the estimate of d
//   growth_rate (infinity)    greatest factor by which d grows in a step
//   safeguard_warmup (0)      1 leaves the learning rate out of the estimate
//   use_bias_correction (0)   1 corrects the bias of the moments, as Adam does
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "training/optimizers/elementwise_optimizer.h"

namespace sdxl {
namespace {

/// Sums over all elements, from which d is estimated.
struct Sums {
  double dot = 0;       ///< gradient * (initial weight - weight)
  double absolute = 0;  ///< |s|
};

/// Decays of the moments and of s, and the factor of the gradient in each.
struct MomentFactors {
  float beta1, mean, beta2, variance, beta3, s;
};

SDXL_SIMD void moments_kernel(const MomentFactors& factors, int64_t size, const float* gradient,
                              float* mean, float* variance, float* s) {
  const auto [beta1, mean_factor, beta2, variance_factor, beta3, s_factor] = factors;
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i];
    mean[i] = mean[i] * beta1 + mean_factor * g;
    variance[i] = variance[i] * beta2 + variance_factor * g * g;
    s[i] = s[i] * beta3 + s_factor * g;
  }
}

Sums sums_of_block(int64_t size, const float* gradient, const float* weight, const float* initial,
                   const float* s) {
  Sums sums;
  for (int64_t i = 0; i < size; ++i) {
    sums.dot += static_cast<double>(gradient[i]) * (initial[i] - weight[i]);
    sums.absolute += std::fabs(s[i]);
  }
  return sums;
}

SDXL_SIMD void step_kernel(float decay, float step, float epsilon, int64_t size, const float* mean,
                           const float* variance, float* weight) {
  for (int64_t i = 0; i < size; ++i) {
    weight[i] = weight[i] * decay - step * mean[i] / (std::sqrt(variance[i]) + epsilon);
  }
}

class Prodigy : public ElementwiseOptimizer {
 public:
  Prodigy(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : ElementwiseOptimizer(std::move(groups), options, {.supports_per_tensor_step = false}),
        beta3_(argument("beta3", std::sqrt(options.beta2))),
        d0_(argument("d0", 1e-6)),
        d_coef_(argument("d_coef", 1.0)),
        growth_rate_(argument("growth_rate", std::numeric_limits<double>::infinity())),
        safeguard_warmup_(argument("safeguard_warmup", 0.0) != 0.0),
        corrects_bias_(argument("use_bias_correction", 0.0) != 0.0),
        d_(d0_),
        d_max_(d0_),
        means_(zero_states()),
        variances_(zero_states()),
        s_(zero_states()) {
    require_one_learning_rate();
    const at::NoGradGuard no_grad;
    initial_ = zero_states();
    for (size_t i = 0; i < initial_.size(); ++i) initial_[i].copy_(tensors()[i].value);
  }

  NamedTensors state() const override {
    NamedTensors states;
    append_state(states, "exp_avg", means_);
    append_state(states, "exp_avg_sq", variances_);
    append_state(states, "s", s_);
    append_state(states, "p0", initial_);
    return states;
  }

  Json scalars() const override {
    return {{"d", d_}, {"d_max", d_max_}, {"d_numerator", numerator_}, {"k", k_}};
  }

 protected:
  void inspect_gradients(const std::vector<size_t>& indices,
                         const std::vector<at::Tensor>& gradients) override {
    const double rate = tensors().empty() ? 0.0 : learning_rate(0);
    double correction = 1.0;
    if (corrects_bias_) {
      const auto step = static_cast<double>(k_ + 1);
      correction = std::sqrt(1.0 - std::pow(options().beta2, step)) /
                   (1.0 - std::pow(options().beta1, step));
    }
    step_size_ = d_ * rate * correction;
    Sums sums;
    if (rate > 0.0) {
      sums = uses_blocks() ? update_moments_in_blocks(indices, gradients)
                           : update_moments(indices, gradients);
    }
    moves_ = sums.absolute != 0.0;
    if (moves_) update_d(sums);
  }

  void update_block(const UpdateBlock& block) override {
    if (!moves_) return;
    step_kernel(static_cast<float>(1.0 - weight_decay(block.index) * step_size_),
                static_cast<float>(step_size_), static_cast<float>(d_ * options().epsilon),
                block.size, means_[block.index].const_data_ptr<float>() + block.begin,
                variances_[block.index].const_data_ptr<float>() + block.begin, block.weight);
  }

  void update_tensors(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>&) override {
    if (!moves_) return;
    for (size_t i = 0; i < indices.size(); ++i) {
      weights[i].mul_(1.0 - weight_decay(indices[i]) * step_size_);
      weights[i].addcdiv_(means_[indices[i]],
                          variances_[indices[i]].sqrt().add_(d_ * options().epsilon), -step_size_);
    }
  }

  void load_scalars(const Json& scalars, const std::string& source) override {
    d_ = json_value(scalars, "d", d_, source);
    d_max_ = json_value(scalars, "d_max", d_max_, source);
    numerator_ = json_value(scalars, "d_numerator", numerator_, source);
    k_ = json_value(scalars, "k", k_, source);
  }

 private:
  void require_one_learning_rate() const {
    for (size_t i = 1; i < tensors().size(); ++i) {
      if (learning_rate(i) == learning_rate(0)) continue;
      throw Error(ExitStatus::kUsage,
                  "--optimizer prodigy takes one learning rate for all weights: leave out "
                  "--text_encoder_lr and --lora_plus_ratio");
    }
  }

  double s_factor() const { return d_ / d0_ * (safeguard_warmup_ ? d_ : step_size_); }

  Sums update_moments_in_blocks(const std::vector<size_t>& indices,
                                const std::vector<at::Tensor>& gradients) {
    const double beta1 = options().beta1, beta2 = options().beta2;
    const MomentFactors factors = {
        static_cast<float>(beta1),  static_cast<float>(d_ * (1.0 - beta1)),
        static_cast<float>(beta2),  static_cast<float>(d_ * d_ * (1.0 - beta2)),
        static_cast<float>(beta3_), static_cast<float>(s_factor()),
    };
    std::vector<int64_t> sizes;
    for (const at::Tensor& gradient : gradients) sizes.push_back(gradient.numel());
    std::vector<Sums> of_blocks(static_cast<size_t>(count_blocks(sizes)));
    for_each_block(sizes, [&](size_t position, int64_t begin, int64_t size, int64_t block) {
      const size_t index = indices[position];
      std::array<float, kUpdateBlock> gradient_buffer, weight_buffer;
      const float* gradient =
          read_block(gradients[position], begin, size, static_cast<float>(scale().gradient),
                     gradient_buffer.data());
      const float* weight =
          read_block(tensors()[index].value, begin, size, 1.0f, weight_buffer.data());
      float* s = s_[index].data_ptr<float>() + begin;
      moments_kernel(factors, size, gradient, means_[index].data_ptr<float>() + begin,
                     variances_[index].data_ptr<float>() + begin, s);
      of_blocks[static_cast<size_t>(block)] =
          sums_of_block(size, gradient, weight, initial_[index].const_data_ptr<float>() + begin, s);
    });
    Sums sums;
    for (const Sums& one : of_blocks) {
      sums.dot += one.dot;
      sums.absolute += one.absolute;
    }
    return sums;
  }

  Sums update_moments(const std::vector<size_t>& indices,
                      const std::vector<at::Tensor>& gradients) {
    std::vector<at::Tensor> dots, absolutes;
    for (size_t i = 0; i < indices.size(); ++i) {
      const size_t index = indices[i];
      const at::Tensor gradient = gradients[i].to(at::kFloat) * scale().gradient;
      const at::Tensor moved = initial_[index] - tensors()[index].value;
      dots.push_back((gradient * moved).sum(at::kDouble));
      means_[index].mul_(options().beta1).add_(gradient, d_ * (1.0 - options().beta1));
      variances_[index]
          .mul_(options().beta2)
          .addcmul_(gradient, gradient, d_ * d_ * (1.0 - options().beta2));
      s_[index].mul_(beta3_).add_(gradient, s_factor());
      absolutes.push_back(s_[index].abs().sum(at::kDouble));
    }
    if (dots.empty()) return {};
    const at::Tensor sums =
        at::stack({at::stack(dots).sum(), at::stack(absolutes).sum()}).to(at::kCPU);
    return {sums[0].item<double>(), sums[1].item<double>()};
  }

  void update_d(const Sums& sums) {
    numerator_ = numerator_ * beta3_ + d_ / d0_ * step_size_ * sums.dot;
    const double estimated = d_coef_ * numerator_ / sums.absolute;
    if (d_ == d0_) d_ = std::max(d_, estimated);
    d_max_ = std::max(d_max_, estimated);
    d_ = std::min(d_max_, d_ * growth_rate_);
    ++k_;
  }

  double beta3_, d0_, d_coef_, growth_rate_;
  bool safeguard_warmup_, corrects_bias_;
  double d_, d_max_, numerator_ = 0.0;
  int64_t k_ = 0;           // steps that changed weights
  double step_size_ = 0.0;  // of this step, from the d before it
  bool moves_ = false;
  std::vector<at::Tensor> means_, variances_, s_, initial_;  // float32, in the values' strides
};

}  // namespace

std::unique_ptr<Optimizer> make_prodigy(std::vector<ParameterGroup> groups,
                                        const OptimizerOptions& options) {
  return std::make_unique<Prodigy>(std::move(groups), options);
}

}  // namespace sdxl
