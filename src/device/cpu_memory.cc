// LibTorch's allocator of the CPU in front of base/memory.
#include "device/cpu_memory.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstdint>

#include "base/memory.h"

namespace sdxl {
namespace {

/// One deleter for all blocks: only those at the start of a page can be large ones.
void free_tensor_memory(void* address) {
  constexpr uintptr_t kLeastPage = 4096;
  const bool starts_page = reinterpret_cast<uintptr_t>(address) % kLeastPage == 0;
  if (address == nullptr || (starts_page && free_large_block(address))) return;
  c10::free_cpu(address);
}

class TensorMemory : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* address = size >= kLargeBlock ? allocate_large_block(size) : nullptr;
    if (address == nullptr) address = c10::alloc_cpu(size);  // throws what running out of it is
    return {address, address, free_tensor_memory, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return free_tensor_memory; }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
};

}  // namespace

void use_kept_memory_for_tensors() {
  static TensorMemory& memory = *new TensorMemory;  // tensors may outlive static objects
  c10::SetCPUAllocator(&memory, /*priority=*/1);
}

}  // namespace sdxl
