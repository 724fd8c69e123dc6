// How the C library keeps the memory that tensors give back.
#pragma once

namespace sdxl {

/// From now on freed memory stays with the process for the tensors to come. By default the C library
/// gives large blocks back at once, and a model's every activation is zeroed anew, a page at a time,
/// when it is next written. Call before other threads start.
void keep_freed_memory();

/// Gives what is kept back to the system, for after a phase that held much (encoders that are gone).
void give_back_freed_memory();

}  // namespace sdxl
