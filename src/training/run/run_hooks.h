// Decides when a run logs, saves and validates.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>

#include "training/run/run_log.h"
#include "training/trainer.h"

namespace sdxl {

struct RunSchedule {
  int64_t max_steps = 1, steps_per_epoch = 1;
  int64_t checkpointing_steps = 500;
  /// Draws pictures every so many steps; if not set, after epochs e (from 0) with
  /// e mod validation_epochs = 0.
  std::optional<int64_t> validation_steps;
  int64_t validation_epochs = 1;
  bool draws_after_first_epoch = true;
  std::optional<int64_t> validation_loss_steps;
  /// Saves after the last step even if it is not a multiple of checkpointing_steps.
  bool save_last = false;
  bool keep_best = false;  ///< Saves whenever the validation loss is the lowest so far.
};

/// The work to do at those times. All but `save` may be empty.
struct RunActions {
  std::function<void(int64_t step)> save;
  std::function<void(int64_t step)> draw;  ///< Validation pictures.
  std::function<double(int64_t step)> validation_loss;
  std::function<void(int64_t step, double loss)> keep_as_best;
};

class RunHooks : public TrainerHooks {
 public:
  /// `first_step` steps are done, and saved in a checkpoint.
  RunHooks(const RunSchedule& schedule, RunActions actions, RunLog& log, int64_t first_step);

  void after_step(const StepReport& report) override;
  void after_overflow(int64_t step, double new_scale) override;
  void before_stop(int64_t step) override;

  /// For a run that is resumed from `step`: does what was due after that step if a stop or a kill
  /// came before the loss was measured or the pictures were drawn.
  void catch_up(int64_t step, bool measured, bool drawn);
  /// Sets the lowest validation loss of the resumed run.
  void set_best(double loss) { best_ = loss; }
  bool saves_after(int64_t step) const;
  bool measures_after(int64_t step) const;
  bool draws_after(int64_t step) const;

 private:
  void save(int64_t step);
  void measure(int64_t step);
  void draw(int64_t step);

  RunSchedule schedule_;
  RunActions actions_;
  RunLog& log_;
  int64_t saved_;  // the step of the last checkpoint
  double best_ = std::numeric_limits<double>::infinity();
};

}  // namespace sdxl
