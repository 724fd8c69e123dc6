#include "training/optimizers/adamw_step.h"

#include <cmath>

namespace sdxl {
namespace {

/// The tensor as the plugin takes it, without states and factors. `gradient` has the value's
/// strides.
sdxl_adamw_tensor described(const TrainedTensor& tensor, const at::Tensor& gradient) {
  sdxl_adamw_tensor fused{};
  fused.size = tensor.value.numel();
  fused.weight = tensor.value.mutable_data_ptr();
  fused.weight_type = operator_type(tensor.value.scalar_type()).value();
  if (tensor.working.defined()) {
    fused.working = tensor.working.mutable_data_ptr();
    fused.working_type = operator_type(tensor.working.scalar_type()).value();
  }
  fused.gradient = gradient.const_data_ptr();
  fused.gradient_type = operator_type(gradient.scalar_type()).value();
  return fused;
}

}  // namespace

void AdamWStep::prepare_step() {
  const double step = static_cast<double>(steps_taken());
  correction1_ = 1.0 - std::pow(options().beta1, step);
  correction2_sqrt_ = std::sqrt(1.0 - std::pow(options().beta2, step));
}

AdamWFactors AdamWStep::factors_of(size_t index) const {
  const double rate = learning_rate(index);
  return {static_cast<float>(1.0 - rate * weight_decay(index)),
          static_cast<float>(options().beta1),
          static_cast<float>(1.0 - options().beta1),
          static_cast<float>(options().beta2),
          static_cast<float>(1.0 - options().beta2),
          static_cast<float>(correction2_sqrt_),
          static_cast<float>(options().epsilon),
          static_cast<float>(rate / correction1_)};
}

bool AdamWStep::update_fused(const std::vector<size_t>& indices,
                             const std::vector<at::Tensor>& gradients) {
  const at::Device device = tensors().front().value.device();
  const sdxl_operators* operators = operators_for(device);
  if (operators == nullptr) return false;
  if (indices.empty()) return true;
  // 1. Factors of all tensors.
  const AdamWFactors common = factors_of(indices.front());
  sdxl_adamw_step step{};
  step.gradient_scale = static_cast<float>(scale().gradient);
  step.beta1 = common.beta1;
  step.one_minus_beta1 = common.one_minus_beta1;
  step.beta2 = common.beta2;
  step.one_minus_beta2 = common.one_minus_beta2;
  step.correction2_sqrt = common.correction2_sqrt;
  step.epsilon = common.epsilon;
  choose_arithmetic(&step);
  // 2. Factors and states of each tensor.
  std::vector<sdxl_adamw_tensor> list;
  for (size_t i = 0; i < indices.size(); ++i) {
    sdxl_adamw_tensor fused = described(tensors()[indices[i]], gradients[i]);
    const AdamWFactors factors = factors_of(indices[i]);
    fused.decay = factors.decay;
    fused.step_size = factors.step_size;
    fused.rounding_seed = element_seed(rounding_seed(), indices[i]);
    add_states(indices[i], &fused);
    list.push_back(fused);
  }
  require_queued(operators->adamw(&step, list.data(), static_cast<int64_t>(list.size()),
                                  current_stream(device)),
                 "AdamW");
  return true;
}

}  // namespace sdxl
