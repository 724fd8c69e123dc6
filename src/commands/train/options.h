// From a training command's config to the options of the parts that train.
#pragma once

#include <cstdint>

#include "commands/train/context.h"
#include "config/train_config.h"
#include "training/ema.h"
#include "training/lr_schedule.h"
#include "training/objective.h"
#include "training/optimizers/optimizer.h"
#include "training/run/run_hooks.h"
#include "training/trainer.h"

namespace sdxl {

/// An epoch is the steps that it takes to see every sample, the last one rounded up.
struct RunLength {
  int64_t steps_per_epoch = 1, max_steps = 1;
};

RunLength run_length(const TrainConfig& config, int64_t samples, int64_t ranks);
/// The pipeline's forward process, with --prediction_type.
NoiseSchedule noise_schedule(const TrainingContext& context);
ObjectiveOptions objective_options(const TrainConfig& config, uint64_t seed);
LrScheduleOptions lr_schedule_options(const TrainConfig& config, int64_t max_steps, int64_t ranks);
/// The optimizer's name (--use_8bit_adam is one) and its options.
std::string optimizer_name(const TrainConfig& config);
OptimizerOptions optimizer_options(const TrainConfig& config, uint64_t seed);
EmaOptions ema_options(const TrainConfig& config);
TrainerOptions trainer_options(const TrainConfig& config, const RunLength& length);
RunSchedule run_schedule(const TrainConfig& config, const RunLength& length);
/// --learning_rate, multiplied as --scale_lr says.
double peak_learning_rate(const TrainConfig& config, int64_t ranks);

}  // namespace sdxl
