// AdamW with 8-bit states (Dettmers et al. 2021), as bitsandbytes' AdamW8bit computes it.
//
// Argument: min_8bit_size (4096). Tensors with fewer elements keep 32-bit states.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "training/optimizers/adamw_step.h"
#include "training/optimizers/dynamic_map.h"

namespace sdxl {
namespace {

SDXL_SIMD void adamw8bit_kernel(const AdamWFactors& factors, int64_t size, const float* gradient,
                                float* weight, float* mean, float* variance) {
  const auto [decay, beta1, one_minus_beta1, beta2, one_minus_beta2, correction2_sqrt, epsilon,
              step_size] = factors;
  for (int64_t i = 0; i < size; ++i) {
    const float g = gradient[i];
    mean[i] = mean[i] * beta1 + one_minus_beta1 * g;
    variance[i] = variance[i] * beta2 + one_minus_beta2 * g * g;
    const float denominator = std::sqrt(variance[i]) / correction2_sqrt + epsilon;
    weight[i] = weight[i] * decay - step_size * mean[i] / denominator;
  }
}

class AdamW8Bit : public AdamWStep {
 public:
  AdamW8Bit(std::vector<ParameterGroup> groups, const OptimizerOptions& options)
      : AdamWStep(std::move(groups), options) {
    const double minimal_size = argument("min_8bit_size", 4096);
    for (const TrainedTensor& tensor : tensors()) {
      const bool quantised = static_cast<double>(tensor.value.numel()) >= minimal_size;
      means_.push_back(zero_moment(tensor.value, quantised));
      variances_.push_back(zero_moment(tensor.value, quantised));
    }
  }

  NamedTensors state() const override {
    NamedTensors states;
    append(states, "exp_avg", means_);
    append(states, "exp_avg_sq", variances_);
    return states;
  }

  Json scalars() const override { return {{"channels_last_tensors", channels_last_tensors()}}; }

 protected:
  void update_block(const UpdateBlock& block) override {
    const Moment& mean = means_[block.index];
    const Moment& variance = variances_[block.index];
    const AdamWFactors factors = factors_of(block.index);
    if (!mean.scales.defined()) {
      adamw8bit_kernel(factors, block.size, block.gradient, block.weight,
                       mean.state.data_ptr<float>() + block.begin,
                       variance.state.data_ptr<float>() + block.begin);
      return;
    }
    std::array<float, kQuantisedBlock> means, variances;
    for (int64_t at = 0; at < block.size; at += kQuantisedBlock) {
      const int64_t size = std::min(kQuantisedBlock, block.size - at), first = block.begin + at;
      decode(signed_dynamic_map(), mean, first, size, means.data());
      decode(unsigned_dynamic_map(), variance, first, size, variances.data());
      adamw8bit_kernel(factors, size, block.gradient + at, block.weight + at, means.data(),
                       variances.data());
      encode(signed_dynamic_map(), means.data(), size, mean, first);
      encode(unsigned_dynamic_map(), variances.data(), size, variance, first);
    }
  }

  void update_tensors(const std::vector<size_t>& indices, const std::vector<at::Tensor>& weights,
                      const std::vector<at::Tensor>& gradients) override {
    for (size_t i = 0; i < indices.size(); ++i) update_one(indices[i], weights[i], gradients[i]);
  }

  void choose_arithmetic(sdxl_adamw_step* step) const override {
    step->signed_values = signed_dynamic_map().values().data();
    step->unsigned_values = unsigned_dynamic_map().values().data();
  }

  void add_states(size_t index, sdxl_adamw_tensor* tensor) const override {
    const Moment &mean = means_[index], &variance = variances_[index];
    tensor->mean = mean.state.mutable_data_ptr();
    tensor->variance = variance.state.mutable_data_ptr();
    if (!mean.scales.defined()) return;
    tensor->mean_scales = mean.scales.data_ptr<float>();
    tensor->variance_scales = variance.scales.data_ptr<float>();
  }

  /// Quantised blocks follow the order of memory, so it must be the same as when they were saved.
  void load_scalars(const Json& scalars, const std::string& source) override {
    const auto saved = json_value(scalars, "channels_last_tensors", int64_t{0}, source);
    if (saved == channels_last_tensors()) return;
    throw Error(ExitStatus::kBadData,
                str(source,
                    ": the 8-bit states were saved on a device that stores weights in another "
                    "order; resume on that kind of device"));
  }

 private:
  /// A float32 state, or uint8 codes with a scale for each block; in the value's strides.
  struct Moment {
    at::Tensor state, scales;
  };

  int64_t channels_last_tensors() const {
    return std::count_if(tensors().begin(), tensors().end(),
                         [](const TrainedTensor& tensor) { return !tensor.value.is_contiguous(); });
  }

  static Moment zero_moment(const at::Tensor& value, bool quantised) {
    const auto options = value.options().requires_grad(false);
    if (!quantised) return {at::zeros_like(value, options.dtype(at::kFloat)), {}};
    const int64_t blocks = (value.numel() + kQuantisedBlock - 1) / kQuantisedBlock;
    return {at::zeros_like(value, options.dtype(at::kByte)),
            at::zeros({blocks}, options.dtype(at::kFloat))};
  }

  void append(NamedTensors& to, const std::string& kind, const std::vector<Moment>& moments) const {
    for (size_t i = 0; i < moments.size(); ++i) {
      const std::string& name = tensors()[i].name;
      to.emplace_back(kind + "." + name, moments[i].state);
      if (moments[i].scales.defined()) {
        to.emplace_back(kind + "_absmax." + name, moments[i].scales);
      }
    }
  }

  static void decode(const DynamicMap& map, const Moment& from, int64_t first, int64_t size,
                     float* values) {
    map.decode(from.state.const_data_ptr<uint8_t>() + first,
               from.scales.const_data_ptr<float>()[first / kQuantisedBlock], size, values);
  }

  static void encode(const DynamicMap& map, const float* values, int64_t size, const Moment& to,
                     int64_t first) {
    to.scales.data_ptr<float>()[first / kQuantisedBlock] =
        map.encode(values, size, to.state.data_ptr<uint8_t>() + first);
  }

  void update_one(size_t index, const at::Tensor& weight, const at::Tensor& gradient) {
    const Moment &mean = means_[index], &variance = variances_[index];
    const bool quantised = mean.scales.defined();
    const at::Tensor means =
        quantised ? signed_dynamic_map().decode(mean.state, mean.scales) : mean.state;
    const at::Tensor variances =
        quantised ? unsigned_dynamic_map().decode(variance.state, variance.scales) : variance.state;
    const double rate = learning_rate(index);
    means.mul_(options().beta1).add_(gradient, 1.0 - options().beta1);
    variances.mul_(options().beta2).addcmul_(gradient, gradient, 1.0 - options().beta2);
    const at::Tensor denominator =
        variances.sqrt().div_(correction2_sqrt()).add_(options().epsilon);
    weight.mul_(1.0 - rate * weight_decay(index));
    weight.addcdiv_(means, denominator, -rate / correction1());
    if (!quantised) return;
    signed_dynamic_map().encode(means, mean.state, mean.scales);
    unsigned_dynamic_map().encode(variances, variance.state, variance.scales);
  }

  std::vector<Moment> means_, variances_;
};

}  // namespace

std::unique_ptr<Optimizer> make_adamw_8bit(std::vector<ParameterGroup> groups,
                                           const OptimizerOptions& options) {
  return std::make_unique<AdamW8Bit>(std::move(groups), options);
}

}  // namespace sdxl
