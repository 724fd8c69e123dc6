// Learning-rate schedules, counted in optimizer steps. To add one, write its formula and give it a
// line in the table of lr_schedule.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sdxl {

struct LrScheduleOptions {
  std::string name = "constant";
  int64_t warmup_steps = 0, total_steps = 1;
  int64_t num_cycles = 1;     ///< For cosine_with_restarts.
  double power = 1.0;         ///< For polynomial.
  double end_fraction = 0.0;  ///< For polynomial: its last value as a fraction of the peak.
  int64_t pace = 1;           ///< Steps of the schedule for each optimizer step.
};

class LrSchedule {
 public:
  /// `options.name` must be one of lr_schedule_names().
  explicit LrSchedule(const LrScheduleOptions& options);
  /// The factor of the peak learning rate in step `step` (from 0).
  double operator()(int64_t step) const;

 private:
  LrScheduleOptions options_;
  bool warms_up_;
  double (*formula_)(const LrScheduleOptions& options, int64_t step);
};

/// The names of all schedules: the choices of --lr_scheduler.
std::vector<std::string> lr_schedule_names();

}  // namespace sdxl
