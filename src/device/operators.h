// The fused operators of a device's plugin (include/sdxl/operators.h) and helpers to call them.
#pragma once

#include <ATen/ATen.h>

#include <optional>

#include "sdxl/operators.h"

namespace sdxl {

/// The operators for tensors on `device`; null without a plugin.
const sdxl_operators* operators_for(const at::Device& device);

/// ATen's current stream of `device`, as the vendor's handle.
void* current_stream(const at::Device& device);

/// The enum sdxl_type of `type`; nothing if the operators don't support it.
std::optional<int32_t> operator_type(at::ScalarType type);

/// Error(kFailure) naming `operation` unless `code`, an operator's result, is 0.
void require_queued(int code, const char* operation);

}  // namespace sdxl
