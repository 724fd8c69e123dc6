#include "training/trainables/parameters.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/hash.h"

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

std::string fingerprint(const std::vector<ParameterGroup>& groups) {
  constexpr int64_t kElements = 64;  // of each tensor
  Hasher hasher;
  for (const TrainedTensor& tensor : flatten(groups)) {
    const int64_t count = std::min(tensor.value.numel(), kElements);
    const at::Tensor head = tensor.value.detach().as_strided({count}, {1}).cpu();
    hasher.update(tensor.name).update(head.const_data_ptr(), head.nbytes());
  }
  return hasher.hex().substr(0, 16);
}

void assign(const TrainedTensor& tensor, const at::Tensor& source) {
  const at::NoGradGuard no_grad;
  tensor.value.copy_(source);
  if (tensor.working.defined()) tensor.working.copy_(tensor.value);
}

}  // namespace sdxl
