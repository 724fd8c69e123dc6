#include "models/activations.h"

#include "kernels/fused_ops.h"

namespace sdxl {

at::Tensor quick_gelu(const at::Tensor& x) { return x * at::sigmoid(1.702 * x); }

at::Tensor geglu(const at::Tensor& values_and_gates) {
  if (auto fused = fused_geglu(values_and_gates)) return *fused;
  const auto halves = values_and_gates.chunk(2, -1);
  return halves[0] * at::gelu(halves[1]);
}

}  // namespace sdxl
