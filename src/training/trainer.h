// The training loop: turns micro-batches into gradients and gradients into an optimizer step.
// TrainerHooks decide when to log, save and validate; a Trainable decides what is trained.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "training/batch.h"
#include "training/ema.h"
#include "training/gradients.h"
#include "training/loss_scale.h"
#include "training/lr_schedule.h"
#include "training/objective.h"
#include "training/optimizers/optimizer.h"
#include "training/parallel/step_exchange.h"
#include "training/step_report.h"
#include "training/trainables/trainable.h"

namespace sdxl {

struct TrainerOptions {
  int64_t max_steps = 1;
  int64_t accumulation = 1;    ///< Micro-batches in a step.
  double max_grad_norm = 1.0;  ///< Clips by the global norm; 0 or less disables clipping.
  bool scale_loss = false;     ///< Dynamic loss scaling, for fp16.
  /// Steps each tensor as soon as its gradient is ready, then frees the gradient. Clips each tensor
  /// by its own norm. Requires accumulation 1 and an optimizer that supports_per_tensor_step.
  bool fused_backward = false;
};

class TrainerHooks {
 public:
  virtual ~TrainerHooks() = default;
  virtual void after_step(const StepReport& report) = 0;
  /// A step overflowed in fp16; it is repeated with a smaller loss scale.
  virtual void after_overflow(int64_t step, double new_scale) = 0;
  /// A stop was requested after `step` steps. Saves the state.
  virtual void before_stop(int64_t step) = 0;
};

class Trainer {
 public:
  /// All references must outlive the trainer. `ema` may be null. `exchange` is null for a single
  /// process.
  Trainer(Trainable& trainable, const Objective& objective, Optimizer& optimizer,
          const LrSchedule& schedule, Ema* ema, BatchSource source, TrainerOptions options,
          StepExchange* exchange = nullptr);

  /// Trains until max_steps steps are done. Throws Interrupted after hooks.before_stop() if a stop
  /// was requested, Error(kBadNumbers) if a loss or gradient is not finite.
  void run(TrainerHooks& hooks);

  /// State of a checkpoint besides weights, optimizer and moving average.
  Json state() const;
  void load(const Json& state, const std::string& source);

 private:
  /// Results of a step that are still on the device.
  struct Pending {
    std::vector<at::Tensor> losses;  ///< [B] for each micro-batch.
    std::vector<at::Tensor> norms;   ///< Norms of parts of the gradients.
  };

  /// Returns nothing if a stop was requested; the step then has no effect.
  std::optional<StepReport> train_step(TrainerHooks& hooks);
  std::optional<std::vector<TrainingBatch>> next_batches();
  StepReport begin_report() const;
  /// Runs a micro-batch forward and backward.
  void accumulate(const TrainingBatch& batch, StepReport& report);
  /// Copies losses and norms of the step into the report. This is the only place where a step waits
  /// for the device. Error(kBadNumbers) if a loss is not finite.
  void fetch(StepReport& report);
  /// Unscales and clips gradients and steps the optimizer. Returns false, with nothing changed, if
  /// fp16 overflowed.
  bool update_weights(StepReport& report);
  bool finish_fused_step(StepReport& report);
  /// The norm of pending_.norms.
  double fetch_norm() const;
  void require_finite_losses(const std::vector<SampleLoss>& samples) const;
  [[noreturn]] void throw_bad_gradients() const;
  void install_fused_backward();

  Trainable& trainable_;
  const Objective& objective_;
  Optimizer& optimizer_;
  const LrSchedule& schedule_;
  Ema* ema_;
  BatchSource source_;
  TrainerOptions options_;
  StepExchange one_process_;
  StepExchange& exchange_;
  GradientSum gradients_;
  LossScale loss_scale_;
  Pending pending_;
  int64_t step_ = 0, samples_ = 0;
};

}  // namespace sdxl
