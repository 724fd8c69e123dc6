// The formulas of diffusers' optimization.py, in steps.
#include "training/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <stdexcept>

namespace sdxl {
namespace {

using Options = LrScheduleOptions;

/// The fraction of the steps after the warm-up that are done.
double progress(const Options& o, int64_t step) {
  return static_cast<double>(step - o.warmup_steps) /
         static_cast<double>(std::max<int64_t>(1, o.total_steps - o.warmup_steps));
}

double constant(const Options&, int64_t) { return 1.0; }

double linear(const Options& o, int64_t step) { return std::max(0.0, 1.0 - progress(o, step)); }

double cosine(const Options& o, int64_t step) {
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * progress(o, step))));
}

double cosine_with_restarts(const Options& o, int64_t step) {
  const double p = progress(o, step);
  if (p >= 1.0) return 0.0;
  const double in_cycle = std::fmod(static_cast<double>(o.num_cycles) * p, 1.0);
  return std::max(0.0, 0.5 * (1.0 + std::cos(std::numbers::pi * in_cycle)));
}

double polynomial(const Options& o, int64_t step) {
  const double remaining = std::clamp(1.0 - progress(o, step), 0.0, 1.0);
  return (1.0 - o.end_fraction) * std::pow(remaining, o.power) + o.end_fraction;
}

struct ScheduleEntry {
  const char* name;
  bool warms_up;
  double (*formula)(const Options&, int64_t);
};

constexpr ScheduleEntry kSchedules[] = {
    {"constant", false, constant},
    {"constant_with_warmup", true, constant},
    {"linear", true, linear},
    {"cosine", true, cosine},
    {"cosine_with_restarts", true, cosine_with_restarts},
    {"polynomial", true, polynomial},
};

}  // namespace

LrSchedule::LrSchedule(const LrScheduleOptions& options) : options_(options) {
  for (const ScheduleEntry& entry : kSchedules) {
    if (options.name != entry.name) continue;
    warms_up_ = entry.warms_up;
    formula_ = entry.formula;
    return;
  }
  throw std::logic_error("there is no learning rate schedule " + options.name);
}

double LrSchedule::operator()(int64_t step) const {
  step *= options_.pace;
  if (warms_up_ && step < options_.warmup_steps) {
    return static_cast<double>(step) / static_cast<double>(options_.warmup_steps);
  }
  return formula_(options_, step);
}

std::vector<std::string> lr_schedule_names() {
  std::vector<std::string> names;
  for (const ScheduleEntry& entry : kSchedules) names.push_back(entry.name);
  return names;
}

}  // namespace sdxl
