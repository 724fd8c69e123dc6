// The device that a run computes on, chosen by --device.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace sdxl {

/// "auto", "cpu", "cuda[:N]", "npu[:N]" -> the device. Error(kUsage) for another text,
/// Error(kUnavailable) with the reason and the remedy for a device that can't be had.
at::Device select_device(const std::string& name);

/// Threads of one operator on the CPU; 0 leaves LibTorch's choice.
void set_thread_count(int64_t threads);

/// The most memory this process has held, in bytes (its resident set).
uint64_t peak_memory();

}  // namespace sdxl
