#include "device/cpu_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <c10/core/impl/alloc_cpu.h>

#include <cstdint>

#include "base/memory.h"

namespace sdxl {
namespace {

/// The deleter of all tensors. Only a page-aligned address can be a large block.
void free_tensor_memory(void* address) {
  constexpr uintptr_t kMinPage = 4096;
  const bool starts_page = reinterpret_cast<uintptr_t>(address) % kMinPage == 0;
  if (address == nullptr || (starts_page && free_large_block(address))) return;
  c10::free_cpu(address);
}

class CpuAllocator : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t size) override {
    void* address = size >= kLargeBlock ? allocate_large_block(size) : nullptr;
    if (address == nullptr) address = c10::alloc_cpu(size);  // throws if out of memory
    return {address, address, free_tensor_memory, at::kCPU};
  }
  c10::DeleterFnPtr raw_deleter() const override { return free_tensor_memory; }
  void copy_data(void* to, const void* from, size_t size) const override {
    default_copy_data(to, from, size);
  }
};

}  // namespace

void install_cpu_allocator() {
  static CpuAllocator& allocator = *new CpuAllocator;  // tensors may outlive static objects
  c10::SetCPUAllocator(&allocator, /*priority=*/1);
}

}  // namespace sdxl
