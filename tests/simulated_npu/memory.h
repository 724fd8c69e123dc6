// Memory of the simulated NPU: one range of addresses that the host may not touch, and a second
// view of the same pages for the kernels. A host that reads or writes device memory ends with a
// message on stderr and status 86.
#pragma once

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/Device.h>

#include <cstdint>

namespace simulated_npu {

constexpr auto kDeviceType = c10::DeviceType::PrivateUse1;

/// The allocator of all devices. Fresh memory is filled with NaN. A device holds
/// SIMULATED_NPU_MEMORY MiB (4096); past them c10::OutOfMemoryError.
c10::DeviceAllocator& allocator();

/// The address at which kernels see the device address `pointer`; null for null.
void* seen_by_kernels(const void* pointer);

}  // namespace simulated_npu
