// Selection of the device.
#include "device/device.h"

#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/back_end.h"

namespace sdxl {

const std::vector<std::unique_ptr<BackEnd>>& back_ends() {
  static const std::vector<std::unique_ptr<BackEnd>> all = [] {
    std::vector<std::unique_ptr<BackEnd>> list;
    list.push_back(make_cuda_back_end());
    list.push_back(make_npu_back_end());
    return list;
  }();
  return all;
}

namespace {

/// What select_device gave last.
at::Device selected = at::kCPU;

BackEnd* back_end_of(const at::Device& device) {
  for (const auto& back_end : back_ends()) {
    if (back_end->type() == device.type()) return back_end.get();
  }
  return nullptr;
}

at::Device first_that_works() {
  for (const auto& back_end : back_ends()) {
    try {
      back_end->open();
      return {back_end->type(), 0};
    } catch (const Error& error) {
      log::debug(error.what());
    }
  }
  return at::kCPU;
}

[[noreturn]] void refuse(const std::string& name) {
  throw Error(ExitStatus::kUsage,
              str("--device ", quoted(name), ": must be auto, cpu, cuda, cuda:N, npu or npu:N"));
}

/// N of "cuda:N"; 0 without one.
int parse_index(const std::string& name) {
  const size_t colon = name.find(':');
  if (colon == std::string::npos) return 0;
  int index = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + colon + 1, end, index);
  if (error != std::errc() || stop != end || index < 0) refuse(name);
  return index;
}

at::Device open_device(BackEnd& back_end, const std::string& name) {
  const int index = parse_index(name);
  back_end.open();
  const std::vector<DeviceDescription> devices = back_end.devices();
  if (index >= static_cast<int>(devices.size())) {
    throw Error(ExitStatus::kUnavailable, str("--device ", name, ": there are ", devices.size(),
                                              " such devices, the last is ", devices.back().name));
  }
  return {back_end.type(), static_cast<c10::DeviceIndex>(index)};
}

}  // namespace

at::Device select_device(const std::string& name) { return select_device(name, {}); }

at::Device select_device(const std::string& name, const ComputeOptions& options) {
  at::Device device = at::kCPU;
  if (name == "auto") {
    device = first_that_works();
  } else if (name != "cpu") {
    BackEnd* chosen = nullptr;
    for (const auto& back_end : back_ends()) {
      if (name.substr(0, name.find(':')) == back_end->name()) chosen = back_end.get();
    }
    if (!chosen) refuse(name);
    device = open_device(*chosen, name);
  }
  if (!device.is_cpu()) {
    c10::impl::VirtualGuardImpl(device.type()).setDevice(device);
    back_end_of(device)->configure(options);
  }
  return selected = device;
}

bool prefers_channels_last(const at::Device& device) {
  if (device.is_cpu()) return true;
  const BackEnd* back_end = back_end_of(device);
  return back_end != nullptr && back_end->prefers_channels_last();
}

at::Tensor to_device(const at::Tensor& tensor, const at::Device& device) {
  if (!tensor.defined()) return tensor;
  const BackEnd* back_end = tensor.is_cpu() ? back_end_of(device) : nullptr;
  if (back_end == nullptr || !back_end->pins_memory()) return tensor.to(device);
  return tensor.pin_memory().to(device, /*non_blocking=*/true);
}

void set_thread_count(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

uint64_t peak_memory() {
  if (auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(selected.type()))) {
    if (allocator->initialized()) {
      constexpr auto kAll = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
      const auto statistics = allocator->getDeviceStats(std::max<int>(selected.index(), 0));
      return static_cast<uint64_t>(statistics.reserved_bytes[kAll].peak);
    }
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace sdxl
