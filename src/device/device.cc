// Selection of the device.
#include "device/device.h"

#include <ATen/Parallel.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

at::Device select_device(const std::string& name) {
  if (name == "auto" || name == "cpu") return at::kCPU;
  const std::string kind = name.substr(0, name.find(':'));
  if (kind == "cuda" || kind == "npu") {
    throw Error(
        ExitStatus::kUnavailable,
        str("--device ", name, ": this build has no back end for ", kind, "; use --device cpu"));
  }
  throw Error(ExitStatus::kUsage,
              str("--device ", quoted(name), ": must be auto, cpu, cuda, cuda:N, npu or npu:N"));
}

void set_thread_count(int64_t threads) {
  if (threads > 0) at::set_num_threads(static_cast<int>(threads));
}

uint64_t peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace sdxl
