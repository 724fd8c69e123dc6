// Memory of the simulated NPU: a range of addresses that the host must not access, and a second
// view of the same pages for the kernels. Host access to device memory ends the process with a
// message on stderr and status 86.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include <cstdint>

namespace simulated_npu {

constexpr auto kDeviceType = c10::DeviceType::PrivateUse1;

/// The allocator of all devices. Fills new memory with NaN. A device has SIMULATED_NPU_MEMORY MiB
/// (default 4096); beyond that it throws c10::OutOfMemoryError.
c10::DeviceAllocator& allocator();

/// Translates a device address to the one that kernels use; null stays null.
void* seen_by_kernels(const void* pointer);

}  // namespace simulated_npu
