// How freed memory is kept for what comes next, instead of going back to the system.
#pragma once

#include <cstddef>

namespace sdxl {

/// From now on freed memory stays with the process for the tensors to come. By default the C
/// library gives large blocks back at once, and a model's every activation is zeroed anew, a page
/// at a time, when it is next written. Call before other threads start.
void keep_freed_memory();

/// Gives what is kept back to the system, for after a phase that held much (encoders that are
/// gone). Less than 256 MiB stay, which the next phase would only have to be given again.
void give_back_freed_memory();

/// Blocks from here on are mapped one by one, as the C library would map them.
constexpr size_t kLargeBlock = size_t{32} << 20;

/// A block of at least kLargeBlock bytes at the start of a page, one that was freed where one fits;
/// null where there is no memory. From any thread.
void* allocate_large_block(size_t size);
/// Takes a block back and keeps it; false if `address` is none of them. Of what is kept, at most
/// 512 MiB, the oldest makes way; so does it for new blocks, so that the process does not grow.
bool free_large_block(void* address);

}  // namespace sdxl
