// The device that a run computes on, chosen by --device, and operations on any device.
#pragma once

#include <ATen/ATen.h>

#include <string>

#include "device/compute_options.h"

namespace sdxl {

/// Opens the device named "auto", "cpu", "cuda[:N]" or "npu[:N]" and makes it this process's
/// device. Error(kUsage) for other names; Error(kUnavailable) with reason and remedy if it cannot
/// be used.
at::Device select_device(const std::string& name, const ComputeOptions& options = {});

/// The vendor's attention if ComputeOptions asked for it; null for ATen's.
FusedAttention fused_attention(const at::Device& device);

/// Whether convolutions on `device` are faster with channels last.
bool prefers_channels_last(const at::Device& device);

/// Copies `tensor` to `device`. Copies to an accelerator are queued from pinned memory, so that the
/// host does not wait for the device.
at::Tensor to_device(const at::Tensor& tensor, const at::Device& device);

/// Whether `error` means that the host or a device is out of memory.
bool is_out_of_memory(const c10::Error& error);

/// Sets the threads of one CPU operator; 0 keeps LibTorch's choice.
void set_thread_count(int64_t threads);

/// Peak memory in bytes: what the selected device's allocator reserved, or for the CPU (and for
/// allocators without statistics) the process's resident set.
uint64_t peak_memory();

}  // namespace sdxl
