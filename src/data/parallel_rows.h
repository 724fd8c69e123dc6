// A parallel loop over rows, for work that waits for files.
#pragma once

#include <cstdint>
#include <functional>

namespace sdxl {

/// Calls `work` for every row of [0, count) from `threads` threads, of which the caller is one.
/// After a failure starts no further rows, and rethrows the failure of the lowest row. After a stop
/// request throws Interrupted, which names `phase`.
void for_rows_in_parallel(int64_t count, int64_t threads, const char* phase,
                          const std::function<void(int64_t row)>& work);

}  // namespace sdxl
