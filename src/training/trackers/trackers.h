// The trackers there are; tracker.cc has their table.
#pragma once

#include <memory>

#include "training/trackers/tracker.h"

namespace sdxl {

/// Event files in output_dir/logging_dir/run_name that TensorBoard reads: scalars, pictures, text
/// and the run's options as hyper-parameters.
std::unique_ptr<Tracker> make_tensorboard_tracker(const TrackerOptions& options);

/// A Weights & Biases offline run, which `wandb sync` uploads, below WANDB_DIR or
/// output_dir/logging_dir. WANDB_PROJECT, _ENTITY, _NAME, _RUN_ID, _RUN_GROUP, _TAGS and _NOTES are
/// honoured. Null with WANDB_MODE=disabled.
std::unique_ptr<Tracker> make_wandb_tracker(const TrackerOptions& options);

}  // namespace sdxl
