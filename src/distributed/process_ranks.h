// Ranks that are processes, joined through c10d.
#pragma once

#include <chrono>

#include "distributed/launch.h"
#include "distributed/ranks.h"

namespace sdxl {

struct JoinOptions {
  /// How long a collective waits for a rank, and all for the last to come at the start.
  std::chrono::milliseconds timeout{600000};
};

/// A plain Ranks for one process. Else meets the others: Error(kUnavailable) tells which did not
/// come, or why rank 0 cannot be reached. The result lives as long as the process, since transfers
/// may be under way when a run breaks.
Ranks& join_ranks(const Launch& launch, const JoinOptions& options);

}  // namespace sdxl
