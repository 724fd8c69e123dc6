#include "distributed/device_group.h"

#include <array>

#include "base/dynamic_library.h"
#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "sdxl/process_group.h"

namespace sdxl {
namespace {

constexpr const char* kSlowPath = "gradients are exchanged through host memory, which is slow";

fs::path plugin_of(at::Device device) {
  const std::string name = c10::DeviceTypeName(device.type(), /*lower_case=*/true);
  return binary_directory() / ("libsdxl_" + name + ".so");
}

}  // namespace

c10::intrusive_ptr<c10d::Backend> make_device_group(at::Device device,
                                                    const c10::intrusive_ptr<c10d::Store>& store,
                                                    int64_t rank, int64_t size,
                                                    std::chrono::milliseconds timeout) {
  const fs::path path = plugin_of(device);
  if (!fs::exists(path)) {
    log::warning(str(path.string(), " is missing: ", kSlowPath));
    return nullptr;
  }
  const DynamicLibrary plugin(path);
  const auto maker =
      reinterpret_cast<sdxl_process_group_maker>(plugin.symbol("sdxl_make_process_group"));
  if (maker == nullptr) {
    log::warning(str(path.string(), " makes no process group: ", kSlowPath));
    return nullptr;
  }
  const sdxl_process_group_request request = {SDXL_PROCESS_GROUP_ABI,
                                              static_cast<int32_t>(rank),
                                              static_cast<int32_t>(size),
                                              device.index(),
                                              timeout.count(),
                                              store.get()};
  std::array<char, 1024> message{};
  void* group = maker(&request, message.data(), message.size());
  if (group == nullptr) {
    throw Error(ExitStatus::kUnavailable, "rank ", rank, " cannot use ", device.str(),
                " together with the others: ", message.data());
  }
  return c10::intrusive_ptr<c10d::Backend>::reclaim(static_cast<c10d::Backend*>(group));
}

}  // namespace sdxl
