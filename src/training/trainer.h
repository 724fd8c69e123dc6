// The training loop: micro-batches to gradients, gradients to one optimizer step. When to log, save
// and validate is the hooks' business; what is trained is the Trainable's.
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
  int64_t accumulation = 1;    ///< Micro-batches of a step.
  double max_grad_norm = 1.0;  ///< Not positive: no clipping.
  bool scale_loss = false;     ///< Dynamic loss scaling, for fp16.
  /// The optimizer takes each gradient as soon as it is there and frees it; clipping is then by the
  /// norm of each tensor. Needs accumulation 1.
  bool fused_backward = false;
};

class TrainerHooks {
 public:
  virtual ~TrainerHooks() = default;
  virtual void after_step(const StepReport& report) = 0;
  /// A step overflowed in fp16 and is tried again with a smaller loss scale.
  virtual void after_overflow(int64_t step, double new_scale) = 0;
  /// A stop was requested; `step` steps are done. Saves what there is to save.
  virtual void before_stop(int64_t step) = 0;
};

class Trainer {
 public:
  /// All parts outlive the trainer. `ema` may be null, and so may `exchange`, for one process.
  Trainer(Trainable& trainable, const Objective& objective, Optimizer& optimizer,
          const LrSchedule& schedule, Ema* ema, BatchSource source, TrainerOptions options,
          StepExchange* exchange = nullptr);

  /// Trains from the steps that are done to max_steps. Throws Interrupted after hooks.before_stop
  /// when a stop was requested, Error(kBadNumbers) when numbers went wrong.
  void run(TrainerHooks& hooks);

  /// What has to survive besides weights, optimizer and average.
  Json state() const;
  void load(const Json& state, const std::string& source);

 private:
  /// What a step has computed on the device and not fetched yet.
  struct Pending {
    std::vector<at::Tensor> losses;  ///< [B] of each micro-batch.
    std::vector<at::Tensor> norms;   ///< Of parts of the gradients.
  };

  /// Nothing when a stop was requested: the step is then as if it had not begun.
  std::optional<StepReport> train_step(TrainerHooks& hooks);
  std::optional<std::vector<TrainingBatch>> next_batches();
  StepReport begin_report() const;
  /// Forward and backward of a micro-batch.
  void accumulate(const TrainingBatch& batch, StepReport& report);
  /// Waits for losses and norms of the step and puts them into the report: the only place where a
  /// step waits for the device. Error(kBadNumbers) when a loss is not finite.
  void fetch(StepReport& report);
  /// Unscales, clips and steps; false when fp16 overflowed and nothing was changed.
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
