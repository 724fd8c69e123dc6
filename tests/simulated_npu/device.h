// Devices, streams and generators of the simulated NPU.
#pragma once

#include <c10/core/Device.h>

#include <functional>

namespace simulated_npu {

constexpr size_t kMostDevices = 8;

/// The number of devices in ASCEND_RT_VISIBLE_DEVICES, or else SIMULATED_NPU_DEVICES (default 2).
c10::DeviceIndex device_count();
c10::DeviceIndex current_device();
void set_current_device(c10::DeviceIndex device);

/// Queues work, which runs when a kernel starts or the host waits for the device. Until then its
/// result is missing, as on a real device.
void postpone(std::function<void()> work);
void do_postponed_work();

}  // namespace simulated_npu
