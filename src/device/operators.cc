#include "device/operators.h"

#include <c10/core/impl/VirtualGuardImpl.h>

#include "base/error.h"
#include "base/text.h"
#include "device/registry.h"

namespace sdxl {

const sdxl_operators* operators_for(const at::Device& device) {
  const BackEnd* back_end = back_end_of(device);
  return back_end == nullptr ? nullptr : back_end->operators();
}

void* current_stream(const at::Device& device) {
  const c10::impl::VirtualGuardImpl guard(device.type());
  return guard.getStreamNativeHandle(guard.getStream(device));
}

std::optional<int32_t> operator_type(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return SDXL_FLOAT32;
    case at::kHalf:
      return SDXL_FLOAT16;
    case at::kBFloat16:
      return SDXL_BFLOAT16;
    default:
      return std::nullopt;
  }
}

void require_queued(int code, const char* operation) {
  if (code == 0) return;
  throw Error(ExitStatus::kFailure, "the device's plugin failed in ", operation, " with error ",
              code, ": to continue without it, remove libsdxl_*.so beside the binary");
}

}  // namespace sdxl
