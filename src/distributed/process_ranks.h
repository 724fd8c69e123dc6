// Ranks that are processes, connected by c10d.
#pragma once

#include <chrono>

#include "distributed/launch.h"
#include "distributed/ranks.h"

namespace sdxl {

struct JoinOptions {
  /// Time limit of a collective, and of the start until all ranks are there (--ddp_timeout).
  std::chrono::milliseconds timeout{600000};
};

/// Connects this process to the other ranks; for a single process a plain Ranks.
/// Error(kUnavailable) lists the ranks that are missing, or says why rank 0 cannot be reached. The
/// result is never destroyed, since transfers may be in flight when a run fails.
Ranks& join_ranks(const Launch& launch, const JoinOptions& options);

}  // namespace sdxl
