// c10d's group for tensors on a device, from that device's plugin.
#pragma once

#include <ATen/ATen.h>

#include <chrono>
#include <torch/csrc/distributed/c10d/Backend.hpp>
#include <torch/csrc/distributed/c10d/Store.hpp>

namespace sdxl {

/// Null, with a warning, where there is no plugin; Error(kUnavailable) where it refuses.
c10::intrusive_ptr<c10d::Backend> make_device_group(at::Device device,
                                                    const c10::intrusive_ptr<c10d::Store>& store,
                                                    int64_t rank, int64_t size,
                                                    std::chrono::milliseconds timeout);

}  // namespace sdxl
