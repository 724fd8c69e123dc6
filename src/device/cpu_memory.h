// The memory of tensors on the CPU.
#pragma once

namespace sdxl {

/// From now on LibTorch takes large tensors' memory from base/memory's blocks, the rest from the C
/// library's heap as before. For CPU tensors alone; call before the first.
void use_kept_memory_for_tensors();

}  // namespace sdxl
