#include "training/trainables/weight_swap.h"

#include <ATen/core/grad_mode.h>

namespace sdxl {
namespace {

void exchange(const at::Tensor& a, const at::Tensor& b) {
  const at::Tensor aside = a.detach().to(at::kCPU, a.scalar_type(), /*non_blocking=*/false,
                                         /*copy=*/true);
  a.copy_(b);
  b.copy_(aside);
}

}  // namespace

WeightSwap::WeightSwap(std::vector<TrainedTensor> tensors, std::vector<at::Tensor> values)
    : tensors_(std::move(tensors)), values_(std::move(values)), saved_(tensors_.size()) {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& tensor = tensors_[i];
    if (tensor.working.defined()) {
      tensor.working.copy_(values_[i]);
    } else if (tensor.value.scalar_type() == at::kFloat) {
      exchange(tensor.value, values_[i]);
    } else {
      saved_[i] = tensor.value.detach().to(at::kCPU, tensor.value.scalar_type(), false, true);
      tensor.value.copy_(values_[i]);
    }
  }
}

WeightSwap::~WeightSwap() {
  const at::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& tensor = tensors_[i];
    if (tensor.working.defined()) {
      tensor.working.copy_(tensor.value);
    } else if (saved_[i].defined()) {
      tensor.value.copy_(saved_[i]);
    } else {
      exchange(tensor.value, values_[i]);
    }
  }
}

}  // namespace sdxl
