// The fused operators of a device's plugin (include/sdxl/operators.h), and what calling them takes.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "sdxl/operators.h"

namespace sdxl {

/// Those for tensors on `device`; null where there is no plugin.
const sdxl_operators* operators_for(const at::Device& device);

/// The stream that ATen queues work for `device` on, as the vendor's handle.
void* current_stream(const at::Device& device);

/// enum sdxl_type; nothing for a type that the operators don't serve.
std::optional<int32_t> operator_type(at::ScalarType type);

/// Throws Error(kFailure) naming `operation` where an operator gave an error code.
void require_queued(int code, const char* operation);

}  // namespace sdxl
