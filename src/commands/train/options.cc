#include "commands/train/options.h"

#include <array>
#include <cstdio>

#include "base/text.h"

namespace sdxl {

RunLength run_length(const TrainConfig& config, int64_t samples, int64_t ranks) {
  const int64_t group = config.train_batch_size * config.gradient_accumulation_steps * ranks;
  const int64_t per_epoch = (samples + group - 1) / group;
  return {per_epoch, config.max_train_steps.value_or(config.num_train_epochs * per_epoch)};
}

EpochPlan epoch_plan(const TrainConfig& config, int64_t samples, int64_t ranks) {
  return {samples, config.train_batch_size, ranks, config.gradient_accumulation_steps};
}

int64_t count_draws(const TrainConfig& config, const RunLength& length, int64_t samples,
                    int64_t ranks) {
  if (config.exact_epochs) {
    return epoch_plan(config, samples, ranks).draws_before(length.max_steps);
  }
  return length.max_steps * config.train_batch_size * config.gradient_accumulation_steps * ranks;
}

std::string draws_text(const TrainConfig& config, int64_t draws, int64_t samples) {
  std::array<char, 32> epochs;
  std::snprintf(epochs.data(), epochs.size(), "%.4g",
                static_cast<double>(draws) / static_cast<double>(samples));
  std::string text = str(counted(draws, "draw"), " of ", counted(samples, "sample"), ", ",
                         epochs.data(), draws == samples ? " epoch" : " epochs");
  if (!config.max_train_steps && draws != config.num_train_epochs * samples) {
    text += str(" (--exact_epochs draws ", config.num_train_epochs, ")");
  }
  return text;
}

NoiseSchedule noise_schedule(const TrainingContext& context) {
  NoiseSchedule schedule(context.pipeline.scheduler_config(),
                         context.pipeline.scheduler_config_source());
  if (context.config.prediction_type) schedule.set_prediction_type(*context.config.prediction_type);
  return schedule;
}

ObjectiveOptions objective_options(const TrainConfig& config, uint64_t seed) {
  ObjectiveOptions options;
  options.snr_gamma = config.snr_gamma;
  options.relative_snr = config.compat == "pp";
  options.noise_offset = config.noise_offset;
  options.input_perturbation = config.input_perturbation;
  if (config.loss_type == "huber") options.huber_c = config.huber_c;
  options.bias = {config.timestep_bias_strategy, config.timestep_bias_multiplier,
                  config.timestep_bias_begin, config.timestep_bias_end,
                  config.timestep_bias_portion};
  options.seed = seed;
  return options;
}

LrScheduleOptions lr_schedule_options(const TrainingContext& context, int64_t max_steps) {
  const TrainConfig& config = context.config;
  LrScheduleOptions options;
  options.name = config.lr_scheduler;
  // accelerate steps the scheduler once for each process and counts in micro-batches. It computes a
  // length in epochs before it divides the samples among processes.
  const bool as_hf = config.compat == "hf";
  const int64_t stretch = as_hf ? config.gradient_accumulation_steps : 1;
  options.pace = as_hf ? context.ranks.size() : 1;
  options.warmup_steps = config.lr_warmup_steps * stretch;
  options.total_steps = max_steps * stretch * (config.max_train_steps ? 1 : options.pace);
  options.num_cycles = config.lr_num_cycles;
  options.power = config.lr_power;
  options.end_fraction = kPolynomialEnd / context.peak_learning_rate();
  return options;
}

std::string optimizer_name(const TrainConfig& config) {
  return config.use_8bit_adam ? "adamw8bit" : config.optimizer;
}

OptimizerOptions optimizer_options(const TrainConfig& config, uint64_t seed) {
  OptimizerOptions options{config.adam_beta1, config.adam_beta2, config.adam_epsilon, seed};
  for (const std::string& text : config.optimizer_args) {
    if (const auto argument = parse_optimizer_argument(text)) options.arguments.insert(*argument);
  }
  return options;
}

EmaOptions ema_options(const TrainConfig& config) {
  EmaOptions options;
  options.first_step_decays = config.compat == "pp";
  return options;
}

TrainerOptions trainer_options(const TrainConfig& config, const RunLength& length) {
  TrainerOptions options;
  options.max_steps = length.max_steps;
  options.accumulation = config.gradient_accumulation_steps;
  options.max_grad_norm = config.max_grad_norm;
  options.scale_loss = config.mixed_precision == "fp16";
  options.fused_backward = config.fused_backward;
  return options;
}

RunSchedule run_schedule(const TrainConfig& config, const RunLength& length) {
  RunSchedule schedule;
  schedule.max_steps = length.max_steps;
  schedule.steps_per_epoch = length.steps_per_epoch;
  schedule.checkpointing_steps = config.checkpointing_steps;
  schedule.validation_steps = config.validation_steps;
  schedule.validation_epochs = config.validation_epochs;
  schedule.draws_after_first_epoch = config.compat != "pp";
  schedule.validation_loss_steps = config.validation_loss_steps;
  schedule.save_last = config.use_ema;  // the result has the average, this the weights
  schedule.keep_best = config.keep_best_checkpoint;
  return schedule;
}

}  // namespace sdxl
