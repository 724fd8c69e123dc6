#include "commands/train/disk_space.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

/// Bytes of state that an optimizer keeps for each trained element.
uint64_t state_bytes_per_element(const std::string& optimizer) {
  if (optimizer == "adafactor") return 0;  // a row and a column for each matrix
  if (optimizer == "adamw8bit") return 2;
  if (optimizer == "lion") return 4;
  if (optimizer == "prodigy") return 16;
  return 8;
}

/// Checkpoints that the run still writes, and of those how many exist at once.
int64_t checkpoints_at_once(const TrainConfig& config, const RunLength& length,
                            int64_t first_step) {
  const int64_t every = config.checkpointing_steps;
  int64_t count = length.max_steps / every - first_step / every;
  if (config.use_ema && length.max_steps % every != 0 && first_step < length.max_steps) ++count;
  if (!config.checkpoints_total_limit) return count;
  return std::min(count, *config.checkpoints_total_limit + 1);  // the new one comes first
}

std::string describe(const DiskNeeds& needs) {
  std::string text = "the result takes " + bytes_text(needs.result);
  if (needs.checkpoints == 0) return text;
  return text + str(", ", counted(needs.checkpoints, "checkpoint"), " of ",
                    bytes_text(needs.checkpoint), " to come");
}

}  // namespace

Json DiskNeeds::json() const {
  return {{"result", result}, {"checkpoint", checkpoint}, {"checkpoints", checkpoints}};
}

DiskNeeds disk_needs(const TrainConfig& config, const RunLength& length, int64_t first_step,
                     const ResultSize& size) {
  DiskNeeds needs;
  needs.result = size.bytes();
  needs.checkpoint =
      size.elements * (size.element_bytes + state_bytes_per_element(optimizer_name(config)));
  if (config.use_ema) needs.checkpoint += size.elements * sizeof(float);
  needs.checkpoints = checkpoints_at_once(config, length, first_step);
  return needs;
}

void require_room(const DiskNeeds& needs, const std::filesystem::path& output_dir,
                  std::optional<uint64_t> free) {
  if (!free) return;
  const std::string where = "--output_dir " + quoted(output_dir.string());
  const std::string facts = str(describe(needs), ", and ", bytes_text(*free), " are free");
  if (*free < needs.least()) {
    throw Error(ExitStatus::kFileError,
                str(where, ": ", facts, ": make room, or give a directory on another disk"));
  }
  if (*free >= needs.all()) {
    log::info(str("disk: ", facts));
    return;
  }
  const uint64_t fitting = (*free - needs.result) / std::max<uint64_t>(needs.checkpoint, 1);
  const uint64_t limit = std::max<uint64_t>(fitting, 2) - 1;  // one more while a new one is written
  log::warning(str(where, ": ", facts,
                   ", which is not enough for all of them: give "
                   "--checkpoints_total_limit ",
                   limit, ", or remove some while the run goes on"));
}

}  // namespace sdxl
