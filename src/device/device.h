// The device that a run computes on, chosen by --device.
#pragma once

#include <ATen/ATen.h>

#include <string>

namespace sdxl {

struct ComputeOptions;

/// "auto", "cpu", "cuda[:N]", "npu[:N]" -> the device, which becomes the one that this process
/// computes on. Error(kUsage) for another text, Error(kUnavailable) with the reason and the remedy
/// for a device that can't be had.
at::Device select_device(const std::string& name, const ComputeOptions& options);
at::Device select_device(const std::string& name);

/// query [B, S, N * D], key and value [B, T, N * D], N heads -> [B, S, N * D]; undefined where
/// these tensors can't be served.
using FusedAttention = at::Tensor (*)(const at::Tensor& query, const at::Tensor& key,
                                      const at::Tensor& value, int64_t heads);
/// Attention of the device's own library, where ComputeOptions ask for it; null for ATen's.
FusedAttention fused_attention(const at::Device& device);

/// Whether convolutions on `device` are faster with channels last.
bool prefers_channels_last(const at::Device& device);

/// `tensor` on `device`. Towards an accelerator the copy is queued from pinned memory, so that the
/// host does not wait for what the device computes.
at::Tensor to_device(const at::Tensor& tensor, const at::Device& device);

/// Whether `error` means that a device, or the host, had not the memory that was asked for.
bool is_out_of_memory(const c10::Error& error);

/// Threads of one operator on the CPU; 0 leaves LibTorch's choice.
void set_thread_count(int64_t threads);

/// The most memory held so far, in bytes: what the selected device's allocator took from it, on the
/// CPU (or where the allocator keeps no count) the process's resident set.
uint64_t peak_memory();

}  // namespace sdxl
