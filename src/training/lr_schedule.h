// Learning-rate schedules, counted in optimizer steps. To add one: its formula and its line in the
// table of lr_schedule.cc.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sdxl {

struct LrScheduleOptions {
  std::string name = "constant";
  int64_t warmup_steps = 0, total_steps = 1;
  int64_t num_cycles = 1;     ///< Of cosine_with_restarts.
  double power = 1.0;         ///< Of polynomial.
  double end_fraction = 0.0;  ///< Where polynomial ends, as a fraction of the peak.
  int64_t pace = 1;           ///< How far the schedule moves in one step.
};

class LrSchedule {
 public:
  /// Error(kUsage) for a name that is not in the table.
  explicit LrSchedule(const LrScheduleOptions& options);
  /// What step `step` (from 0) multiplies the peak learning rate by.
  double operator()(int64_t step) const;

 private:
  LrScheduleOptions options_;
  bool warms_up_;
  double (*formula_)(const LrScheduleOptions& options, int64_t step);
};

std::vector<std::string> lr_schedule_names();

}  // namespace sdxl
