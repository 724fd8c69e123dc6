// Keeps freed memory in the process for the next tensors instead of returning it to the system.
#pragma once

#include <cstddef>

namespace sdxl {

/// Makes malloc keep freed memory. By default glibc returns large blocks to the system at once, so
/// that each new activation page-faults again. Call before other threads start.
void keep_freed_memory();

/// Returns the kept memory to the system if it is at least 256 MiB. Call after a phase that held
/// much, such as the text encoders.
void release_freed_memory();

/// Smallest size, in bytes, of the blocks below.
constexpr size_t kLargeBlock = size_t{32} << 20;

/// A page-aligned block of `size` bytes, reused from the freed ones if one fits; null if the system
/// has no memory. Its bytes are not initialised. Thread-safe, as free_large_block is.
void* allocate_large_block(size_t size);
/// Keeps the block for later; false if `address` is not such a block. At most 512 MiB are kept; the
/// oldest blocks go back to the system first, also when new ones are mapped.
bool free_large_block(void* address);

}  // namespace sdxl
