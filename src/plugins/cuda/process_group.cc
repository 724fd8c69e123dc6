// Implements include/sdxl/process_group.h by ProcessGroupNCCL, whose symbols are found in the
// libtorch_cuda.so that the process has opened.
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>

#include <exception>

#include "plugins/cuda/messages.h"
#include "sdxl/process_group.h"

namespace {

c10::intrusive_ptr<c10d::Backend> make_group(const sdxl_process_group_request& request) {
  c10::cuda::set_device(static_cast<c10::DeviceIndex>(request.device));
  auto* borrowed = static_cast<c10d::Store*>(request.store);
  auto store = c10::make_intrusive<c10d::PrefixStore>(
      "nccl", c10::intrusive_ptr<c10d::Store>::reclaim_copy(borrowed));
  auto options = c10d::ProcessGroupNCCL::Options::create();
  options->timeout = std::chrono::milliseconds(request.timeout_ms);
  return c10::make_intrusive<c10d::ProcessGroupNCCL>(store, request.rank, request.size, options);
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void* sdxl_make_process_group(
    const sdxl_process_group_request* request, char* message, uint64_t message_size) {
  try {
    if (request->abi == SDXL_PROCESS_GROUP_ABI) return make_group(*request).release();
    sdxl::put_message("libsdxl_cuda.so belongs to another version of sdxl: rebuild it", message,
                      message_size);
  } catch (const c10::Error& error) {
    sdxl::put_message(error.what_without_backtrace(), message, message_size);
  } catch (const std::exception& error) {
    sdxl::put_message(error.what(), message, message_size);
  }
  return nullptr;
}
