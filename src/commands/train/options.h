// Translates a training command's config into the options of the parts that train.
#pragma once

#include <cstdint>

#include "commands/train/context.h"
#include "config/train_config.h"
#include "data/epoch_plan.h"
#include "training/ema.h"
#include "training/lr_schedule.h"
#include "training/objective.h"
#include "training/optimizers/optimizer.h"
#include "training/run/run_hooks.h"
#include "training/trainer.h"

namespace sdxl {

/// An epoch takes ceil(samples / samples of a step) steps.
struct RunLength {
  int64_t steps_per_epoch = 1, max_steps = 1;
};

RunLength run_length(const TrainConfig& config, int64_t samples, int64_t ranks);
/// The steps of --exact_epochs.
EpochPlan epoch_plan(const TrainConfig& config, int64_t samples, int64_t ranks);
/// How many samples the run draws in all.
int64_t count_draws(const TrainConfig& config, const RunLength& length, int64_t samples,
                    int64_t ranks);
/// "32 draws of 7 samples, 4.57 epochs", and how to draw whole epochs where they were meant.
std::string draws_text(const TrainConfig& config, int64_t draws, int64_t samples);
/// The forward process of the pipeline's scheduler config, with --prediction_type over it.
NoiseSchedule noise_schedule(const TrainingContext& context);
ObjectiveOptions objective_options(const TrainConfig& config, uint64_t seed);
LrScheduleOptions lr_schedule_options(const TrainingContext& context, int64_t max_steps);
/// The name for make_optimizer(): --optimizer, or adamw8bit with --use_8bit_adam.
std::string optimizer_name(const TrainConfig& config);
OptimizerOptions optimizer_options(const TrainConfig& config, uint64_t seed);
EmaOptions ema_options(const TrainConfig& config);
TrainerOptions trainer_options(const TrainConfig& config, const RunLength& length);
RunSchedule run_schedule(const TrainConfig& config, const RunLength& length);

}  // namespace sdxl
