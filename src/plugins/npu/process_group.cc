// Implements include/sdxl/process_group.h by torch_npu's ProcessGroupHCCL.
#include "sdxl/process_group.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>
#include <string>
#include <torch/csrc/distributed/c10d/Store.hpp>
#include <torch_npu/csrc/distributed/ProcessGroupHCCL.hpp>

namespace {

void* make_process_group(const sdxl_process_group_request& request) {
  auto options = c10d_npu::ProcessGroupHCCL::Options::create();
  options->timeout = std::chrono::milliseconds(request.timeout_ms);
  options->opTimeout = options->timeout;
  auto store =
      c10::intrusive_ptr<c10d::Store>::reclaim_copy(static_cast<c10d::Store*>(request.store));
  auto group = c10::make_intrusive<c10d_npu::ProcessGroupHCCL>(store, request.rank, request.size,
                                                               std::move(options));
  group->setBoundDeviceId(
      c10::Device(c10::DeviceType::PrivateUse1, static_cast<c10::DeviceIndex>(request.device)));
  c10::intrusive_ptr<c10d::Backend> backend = group;
  return backend.release();
}

void write_message(const std::string& text, char* message, uint64_t size) {
  if (size == 0) return;
  const size_t length = std::min<size_t>(text.find('\n'), std::min<size_t>(text.size(), size - 1));
  std::memcpy(message, text.data(), length);
  message[length] = '\0';
}

}  // namespace

extern "C" __attribute__((visibility("default"))) void* sdxl_make_process_group(
    const sdxl_process_group_request* request, char* message, uint64_t message_size) {
  if (request->abi != SDXL_PROCESS_GROUP_ABI) {
    write_message("libsdxl_npu.so belongs to another version of sdxl: rebuild it", message,
                  message_size);
    return nullptr;
  }
  try {
    return make_process_group(*request);
  } catch (const std::exception& error) {
    write_message(error.what(), message, message_size);
  } catch (...) {
    write_message("HCCL failed", message, message_size);
  }
  return nullptr;
}
