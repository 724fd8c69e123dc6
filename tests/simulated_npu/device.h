// Devices, streams and generators of the simulated NPU.
#pragma once

#include <c10/core/Device.h>

#include <functional>

namespace simulated_npu {

constexpr size_t kMostDevices = 8;

/// SIMULATED_NPU_DEVICES (2), or as many as ASCEND_RT_VISIBLE_DEVICES names.
c10::DeviceIndex device_count();
c10::DeviceIndex current_device();
void set_current_device(c10::DeviceIndex device);

/// Work that the host asked for without waiting. It is done when a kernel starts, or when the host
/// waits for the device; until then the result isn't there, as on a real device.
void postpone(std::function<void()> work);
void do_postponed_work();

}  // namespace simulated_npu
