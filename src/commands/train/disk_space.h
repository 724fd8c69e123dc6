// What a training run will write, and whether its disk has room for that.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "base/json.h"
#include "commands/train/options.h"

namespace sdxl {

/// What a run trains and writes, counted from configs alone.
struct ResultSize {
  uint64_t elements = 0;       ///< Of the trained tensors.
  uint64_t element_bytes = 4;  ///< Of a trained tensor's elements, in all files that hold them.
  uint64_t frozen_bytes = 0;   ///< Of the other parts of the result.

  uint64_t bytes() const { return elements * element_bytes + frozen_bytes; }
};

struct DiskNeeds {
  uint64_t result = 0, checkpoint = 0;  ///< Bytes of the result and of one checkpoint.
  int64_t checkpoints = 0;              ///< How many checkpoints to come exist at once.

  /// Bytes without which the run cannot end well: its result and one checkpoint.
  uint64_t least() const { return result + (checkpoints > 0 ? checkpoint : 0); }
  uint64_t all() const { return result + static_cast<uint64_t>(checkpoints) * checkpoint; }
  Json json() const;
};

/// The needs of a run of `length` from step `first_step` on. Optimizer states are estimated by the
/// optimizer's name.
DiskNeeds disk_needs(const TrainConfig& config, const RunLength& length, int64_t first_step,
                     const ResultSize& size);

/// Says in the log what the run needs of the `free` bytes on the disk of `output_dir`.
/// Error(kFileError) if they are fewer than least(); warns if not all checkpoints fit. Without
/// `free` nothing is known, and nothing refused.
void require_room(const DiskNeeds& needs, const std::filesystem::path& output_dir,
                  std::optional<uint64_t> free);

}  // namespace sdxl
