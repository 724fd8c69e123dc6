// The names that options take from the registries of other folders. tests/cli/registries_test.cc
// compares these lists with the registries.
#pragma once

#include <string>
#include <vector>

namespace sdxl {

using Choices = std::vector<std::string>;

/// --optimizer: training/optimizers/.
inline const Choices kOptimizers = {"adamw", "adamw8bit", "adafactor", "lion", "prodigy"};

/// --lr_scheduler: training/lr_schedule.cc.
inline const Choices kLrSchedules = {"constant", "constant_with_warmup", "linear",
                                     "cosine",   "cosine_with_restarts", "polynomial"};

/// --report_to: training/trackers/. The option also takes all and none.
inline const Choices kTrackers = {"tensorboard", "wandb"};

/// --image_interpolation_mode: io/images/resize.cc.
inline const Choices kResizeFilters = {"nearest", "nearest_exact", "bilinear", "bicubic",
                                       "box",     "hamming",       "lanczos"};

/// --log_level: base/log.cc.
inline const Choices kLogLevels = {"debug", "info", "warning", "error", "off"};

/// --to of convert, for a LoRA: the formats of lora/formats/ that can be written.
inline const Choices kLoraFormats = {"diffusers", "peft", "kohya"};
/// --to of convert, for a model.
inline const Choices kModelFormats = {"diffusers", "single_file"};

/// --scheduler: schedulers/, each with the names of the sigma spacings that it supports.
Choices scheduler_choices();

}  // namespace sdxl
