// Tensors as the plugin's AdamW takes them.
#include "training/optimizers/fused_adamw.h"

namespace sdxl {

sdxl_adamw_tensor fused_tensor(const TrainedTensor& tensor, const at::Tensor& gradient,
                               uint32_t seed) {
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
  fused.rounding_seed = seed;
  return fused;
}

void fused_adamw(const sdxl_adamw_step& step, const std::vector<sdxl_adamw_tensor>& tensors,
                 const at::Device& device) {
  require_queued(
      operators_for(device)->adamw(&step, tensors.data(), static_cast<int64_t>(tensors.size()),
                                   current_stream(device)),
      "AdamW");
}

}  // namespace sdxl
