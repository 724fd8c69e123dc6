// Exports the table of include/sdxl/operators.h.
#include "plugins/cuda/kernels.h"

namespace sdxl::kernels {
namespace {

constexpr sdxl_operators kOperators = {group_norm_workspace, group_norm_forward,
                                       group_norm_backward,  geglu_forward,
                                       geglu_backward,       adamw};

}  // namespace
}  // namespace sdxl::kernels

extern "C" __attribute__((visibility("default"))) const ::sdxl_operators* sdxl_operators_table(
    int abi) {
  return abi == SDXL_OPERATORS_ABI ? &sdxl::kernels::kOperators : nullptr;
}
