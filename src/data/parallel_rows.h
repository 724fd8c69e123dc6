// A loop over rows by a few threads of its own, for work that waits for files.
#pragma once

#include <cstdint>
#include <functional>

namespace sdxl {

/// Calls `work` for every row of [0, count), by `threads` threads at once (0 and 1: by the caller
/// alone). The first failure in the order of the rows is thrown when all have ended. A stop request
/// ends it with Interrupted, naming `phase`.
void for_rows_in_parallel(int64_t count, int64_t threads, const char* phase,
                          const std::function<void(int64_t row)>& work);

}  // namespace sdxl
