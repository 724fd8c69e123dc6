#include "training/gradients.h"

#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "training/optimizers/block_loop.h"

namespace sdxl {
namespace {

class CallbackHook : public torch::autograd::PostAccumulateGradHook {
 public:
  explicit CallbackHook(std::function<void(const at::Tensor&)> callback)
      : callback_(std::move(callback)) {}
  void operator()(const torch::autograd::Variable& leaf) override {
    const at::NoGradGuard no_grad;
    callback_(leaf);
  }

 private:
  std::function<void(const at::Tensor&)> callback_;
};

SDXL_SIMD double sum_of_squares(const float* values, int64_t size) {
  std::array<double, 16> lanes{};
  int64_t i = 0;
  for (; i + 16 <= size; i += 16) {
    for (int64_t lane = 0; lane < 16; ++lane) {
      const double value = values[i + lane];
      lanes[lane] += value * value;
    }
  }
  double sum = 0;
  for (; i < size; ++i) sum += static_cast<double>(values[i]) * values[i];
  for (double lane : lanes) sum += lane;
  return sum;
}

/// Adds the sums of blocks in their order, so that the number of threads does not matter.
double norm_on_cpu(const std::vector<at::Tensor>& gradients) {
  std::vector<int64_t> sizes;
  for (const at::Tensor& gradient : gradients) sizes.push_back(gradient.numel());
  std::vector<double> sums(static_cast<size_t>(count_blocks(sizes)));
  for_each_block(sizes, [&](size_t position, int64_t begin, int64_t size, int64_t block) {
    std::array<float, kUpdateBlock> buffer;
    const float* values = read_block(gradients[position], begin, size, 1.0f, buffer.data());
    sums[block] = sum_of_squares(values, size);
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

}  // namespace

void on_gradient(const at::Tensor& leaf, std::function<void(const at::Tensor&)> callback) {
  std::unique_ptr<torch::autograd::PostAccumulateGradHook> hook;
  if (callback) hook = std::make_unique<CallbackHook>(std::move(callback));
  torch::autograd::impl::set_post_acc_grad_hooks(leaf, std::move(hook));
}

GradientSum::GradientSum(std::vector<TrainedTensor> tensors, int64_t passes_per_step,
                         GradientExchange* exchange)
    : tensors_(std::move(tensors)), sums_(tensors_.size()), exchange_(exchange) {
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const bool adds = passes_per_step > 1 && tensors_[i].leaf().scalar_type() != at::kFloat;
    if (!adds && exchange_ == nullptr) continue;
    has_callbacks_ = true;
    on_gradient(tensors_[i].leaf(), [this, i, adds](const at::Tensor&) {
      if (adds) add(i);
      if (exchange_ != nullptr && is_last_) exchange_->put(i, take(i));
    });
  }
}

GradientSum::~GradientSum() {
  if (!has_callbacks_) return;
  for (const TrainedTensor& tensor : tensors_) on_gradient(tensor.leaf(), {});
}

void GradientSum::add(size_t index) {
  at::Tensor& gradient = tensors_[index].leaf().mutable_grad();
  if (!sums_[index].defined()) {
    sums_[index] = gradient.to(at::kFloat);
  } else {
    sums_[index].add_(gradient);
  }
  gradient.reset();
}

at::Tensor GradientSum::take(size_t index) {
  at::Tensor& leaf_gradient = tensors_[index].leaf().mutable_grad();
  at::Tensor gradient = sums_[index].defined() ? std::move(sums_[index]) : leaf_gradient;
  leaf_gradient.reset();
  sums_[index].reset();
  return gradient;
}

std::vector<at::Tensor> GradientSum::take() {
  std::vector<at::Tensor> gradients(tensors_.size());
  for (size_t i = 0; i < tensors_.size(); ++i) gradients[i] = take(i);
  if (exchange_ == nullptr) return gradients;
  // Tensors without a gradient in the last pass were not put yet.
  for (size_t i = 0; i < tensors_.size(); ++i) {
    if (gradients[i].defined()) exchange_->put(i, gradients[i]);
  }
  return exchange_->take();
}

at::Tensor gradient_norms(const std::vector<at::Tensor>& gradients) {
  const at::NoGradGuard no_grad;
  std::vector<at::Tensor> defined;
  for (const at::Tensor& gradient : gradients) {
    if (gradient.defined()) defined.push_back(gradient);
  }
  if (defined.empty() || defined.front().is_cpu()) {
    return at::full({1}, norm_on_cpu(defined), at::kDouble);
  }
  return at::stack(at::_foreach_norm(defined, 2, at::kFloat));
}

double clip_factor(double norm, double max_norm) {
  if (max_norm <= 0.0) return 1.0;
  return std::min(1.0, max_norm / (norm + 1e-6));
}

at::Tensor clipped(const at::Tensor& gradient, const at::Tensor& norm, double max_norm) {
  const at::NoGradGuard no_grad;
  at::Tensor factor = at::ones_like(norm);
  if (max_norm > 0.0) factor = (max_norm / (norm + 1e-6)).clamp_max(1.0);
  const at::Tensor finite = norm.isfinite();
  return at::where(finite, gradient.to(at::kFloat) * factor.to(at::kFloat), 0.0f);
}

}  // namespace sdxl
