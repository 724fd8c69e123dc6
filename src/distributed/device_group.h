// c10d's backend for tensors on a device, made by that device's plugin
// (include/sdxl/process_group.h).
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace sdxl {

/// Null, with a warning, if the plugin is missing or makes no backend. Error(kUnavailable) with the
/// plugin's reason if it fails.
c10::intrusive_ptr<c10d::Backend> make_device_group(at::Device device,
                                                    const c10::intrusive_ptr<c10d::Store>& store,
                                                    int64_t rank, int64_t size,
                                                    std::chrono::milliseconds timeout);

}  // namespace sdxl
