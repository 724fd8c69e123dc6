// Base of LCM and TCD: a run visits a few of the original_inference_steps timesteps on which the
// model was distilled.
#pragma once

#include <vector>

#include "schedulers/alpha_scheduler.h"

namespace sdxl {

class ConsistencyScheduler : public AlphaScheduler {
 protected:
  explicit ConsistencyScheduler(const SchedulerConfig& config);

  void plan(int64_t steps) override;
  void plan_timesteps(const std::vector<double>& timesteps) override;
  bool is_last(int64_t index) const { return index + 1 == call_count(); }

 private:
  const int64_t original_steps_;
};

}  // namespace sdxl
