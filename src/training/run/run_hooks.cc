#include "training/run/run_hooks.h"

#include "base/error.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"

namespace sdxl {

RunHooks::RunHooks(const RunSchedule& schedule, RunActions actions, RunLog& log, int64_t first_step)
    : schedule_(schedule), actions_(std::move(actions)), log_(log), saved_(first_step) {}

bool RunHooks::saves_after(int64_t step) const {
  return step % schedule_.checkpointing_steps == 0 ||
         (schedule_.save_last && step == schedule_.max_steps);
}

bool RunHooks::measures_after(int64_t step) const {
  return schedule_.validation_loss_steps && step % *schedule_.validation_loss_steps == 0;
}

bool RunHooks::draws_after(int64_t step) const {
  if (schedule_.validation_steps) return step % *schedule_.validation_steps == 0;
  if (step % schedule_.steps_per_epoch != 0) return false;
  const int64_t epoch = step / schedule_.steps_per_epoch - 1;
  return epoch % schedule_.validation_epochs == 0 &&
         (epoch > 0 || schedule_.draws_after_first_epoch);
}

void RunHooks::after_step(const StepReport& report) {
  log_.step(report);
  if (saves_after(report.step)) save(report.step);
  if (measures_after(report.step)) measure(report.step);
  if (draws_after(report.step)) draw(report.step);
}

void RunHooks::catch_up(int64_t step, bool measured, bool drawn) {
  if (!measured && measures_after(step)) measure(step);
  if (!drawn && draws_after(step)) draw(step);
}

void RunHooks::after_overflow(int64_t step, double new_scale) {
  log::info(
      str("step ", step + 1, " overflowed in fp16; repeating it with loss scale ", new_scale));
  log_.event(step, {{"overflow", 1.0}, {"loss_scale", new_scale}});
}

void RunHooks::before_stop(int64_t step) {
  save(step);
  log_.flush();
}

void RunHooks::save(int64_t step) {
  if (saved_ == step) return;
  actions_.save(step);
  saved_ = step;
  log_.flush();
  log_.pause();
}

void RunHooks::draw(int64_t step) {
  // Drawing takes long, so a stop goes first.
  if (!actions_.draw || stop_requested() != 0) return;
  actions_.draw(step);
  log_.pause();
}

void RunHooks::measure(int64_t step) {
  if (!actions_.validation_loss || stop_requested() != 0) return;
  double loss = 0;
  try {
    loss = actions_.validation_loss(step);
  } catch (const Interrupted&) {
    return;  // the trainer calls before_stop() next
  }
  log_.event(step, {{"validation_loss", loss}});
  log_.pause();
  if (!schedule_.keep_best || !(loss < best_)) return;
  best_ = loss;
  save(step);  // before it is recorded as the best, so that the recorded one exists
  actions_.keep_as_best(step, loss);
}

}  // namespace sdxl
