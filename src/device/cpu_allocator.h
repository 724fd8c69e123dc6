// LibTorch's CPU allocator.
#pragma once

namespace sdxl {

/// Makes LibTorch allocate large CPU tensors from base/memory.h's blocks. Call before creating any
/// tensor.
void install_cpu_allocator();

}  // namespace sdxl
