// Groups of trained tensors.
#include "training/parameters.h"

#include <c10/core/GradMode.h>

namespace sdxl {

std::vector<TrainedTensor> flatten(const std::vector<ParameterGroup>& groups) {
  std::vector<TrainedTensor> tensors;
  for (const ParameterGroup& group : groups) {
    tensors.insert(tensors.end(), group.tensors.begin(), group.tensors.end());
  }
  return tensors;
}

int64_t count_elements(const std::vector<ParameterGroup>& groups) {
  int64_t count = 0;
  for (const ParameterGroup& group : groups) {
    for (const TrainedTensor& tensor : group.tensors) count += tensor.value.numel();
  }
  return count;
}

void assign(const TrainedTensor& tensor, const at::Tensor& source) {
  c10::NoGradGuard no_grad;
  tensor.value.copy_(source);
  if (tensor.working.defined()) tensor.working.copy_(tensor.value);
}

}  // namespace sdxl
