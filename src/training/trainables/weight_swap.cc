// Exchanging weights one tensor at a time.
#include "training/trainables/weight_swap.h"

#include <c10/core/GradMode.h>

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
    : tensors_(std::move(tensors)), values_(std::move(values)), aside_(tensors_.size()) {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& tensor = tensors_[i];
    if (tensor.working.defined()) {
      tensor.working.copy_(values_[i]);
    } else if (tensor.value.scalar_type() == at::kFloat) {
      exchange(tensor.value, values_[i]);
    } else {
      aside_[i] = tensor.value.detach().to(at::kCPU, tensor.value.scalar_type(), false, true);
      tensor.value.copy_(values_[i]);
    }
  }
}

WeightSwap::~WeightSwap() {
  const c10::NoGradGuard no_grad;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TrainedTensor& tensor = tensors_[i];
    if (tensor.working.defined()) {
      tensor.working.copy_(tensor.value);
    } else if (aside_[i].defined()) {
      tensor.value.copy_(aside_[i]);
    } else {
      exchange(tensor.value, values_[i]);
    }
  }
}

}  // namespace sdxl
