#include "device/device.h"

#include <ATen/Parallel.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <fstream>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "device/registry.h"

namespace sdxl {

namespace {

/// The result of the last select_device().
at::Device selected = at::kCPU;

[[noreturn]] void refuse_name(const std::string& name) {
  std::string names = "auto or cpu";
  for (const auto& back_end : back_ends()) {
    names += str(", ", back_end->name(), " or ", back_end->name(), ":N");
  }
  throw Error(ExitStatus::kUsage, "--device ", quoted(name), ": must be ", names);
}

/// N of "cuda:N", or else `fallback`.
int parse_index(const std::string& name, int64_t fallback) {
  const size_t colon = name.find(':');
  if (colon == std::string::npos && fallback < 0) {
    throw Error(ExitStatus::kUsage, "--device ", name,
                ": this process's device is unknown: set LOCAL_RANK in its environment, or give "
                "--local_rank");
  }
  if (colon == std::string::npos) return static_cast<int>(fallback);
  int index = 0;
  const char* end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data() + colon + 1, end, index);
  if (error != std::errc() || stop != end || index < 0) refuse_name(name);
  return index;
}

at::Device open_device(BackEnd& back_end, int index, const ComputeOptions& options) {
  back_end.open();
  const int count = back_end.device_count();
  if (index >= count) {
    throw Error(ExitStatus::kUnavailable, "--device ", back_end.name(), ":", index, ": there are ",
                count, " such devices, the last is ", back_end.name(), ":", count - 1);
  }
  const at::Device device(back_end.type(), static_cast<c10::DeviceIndex>(index));
  try {
    back_end.use(device);
  } catch (const c10::Error& error) {
    throw Error(ExitStatus::kUnavailable, back_end.name(), ": ", back_end.name(), ":", index,
                " cannot be used: ", split(error.what_without_backtrace(), '\n').front());
  }
  back_end.configure(options);
  return device;
}

/// The first back end that works, else the CPU. Logs why those before it don't.
at::Device first_that_works(const ComputeOptions& options) {
  std::vector<std::string> reasons;
  at::Device device = at::kCPU;
  for (const auto& back_end : back_ends()) {
    try {
      device =
          open_device(*back_end, static_cast<int>(std::max<int64_t>(options.index, 0)), options);
      break;
    } catch (const Error& error) {
      reasons.emplace_back(error.what());
    }
  }
  const std::string chosen = device.is_cpu() ? "cpu" : back_end_of(device)->name();
  if (!device.is_cpu()) parse_index(chosen, options.index);  // throws if the index is unknown
  log::info(str("computing on ", chosen, reasons.empty() ? "" : ", since ", join(reasons, " | ")));
  return device;
}

at::Device open_named(const std::string& name, const ComputeOptions& options) {
  if (name == "auto") return first_that_works(options);
  if (name == "cpu") return at::kCPU;
  for (const auto& back_end : back_ends()) {
    if (name.substr(0, name.find(':')) != back_end->name()) continue;
    return open_device(*back_end, parse_index(name, options.index), options);
  }
  refuse_name(name);
}

/// VmHWM, since getrusage() may report the peak of the parent before exec(2).
uint64_t peak_resident_memory() {
  std::ifstream status("/proc/self/status");
  uint64_t kibibytes = 0;
  for (std::string word; status >> word;) {
    if (word == "VmHWM:" && status >> kibibytes) return kibibytes * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace

at::Device select_device(const std::string& name, const ComputeOptions& options) {
  selected = open_named(name, options);
  if (options.fused_attention && fused_attention(selected) == nullptr) {
    throw Error(ExitStatus::kUsage, "--enable_npu_flash_attention: ", selected.str(),
                " has no such attention: leave the option out, fused attention is the default");
  }
  return selected;
}

FusedAttention fused_attention(const at::Device& device) {
  const BackEnd* back_end = back_end_of(device);
  return back_end == nullptr ? nullptr : back_end->attention();
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

bool is_out_of_memory(const c10::Error& error) {
  // The CPU's allocator throws a plain c10::Error.
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         std::string_view(error.what_without_backtrace()).find("can't allocate memory") !=
             std::string_view::npos;
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
  return peak_resident_memory();
}

}  // namespace sdxl
