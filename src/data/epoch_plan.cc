#include "data/epoch_plan.h"

#include <algorithm>
#include <numeric>

namespace sdxl {

EpochPlan::EpochPlan(int64_t samples, int64_t batch_size, int64_t ranks, int64_t accumulation)
    : samples_(samples),
      batch_size_(batch_size),
      ranks_(ranks),
      accumulation_(accumulation),
      step_size_(batch_size * ranks * accumulation),
      steps_per_epoch_((samples + step_size_ - 1) / step_size_) {}

MicroBatch EpochPlan::micro_batch(int64_t number, int64_t rank) const {
  const int64_t step = number / accumulation_;
  const int64_t begin = draws_before(step), count = draws_before(step + 1) - begin;
  const int64_t skipped = (number % accumulation_ * ranks_ + rank) * batch_size_;
  const int64_t size = std::clamp<int64_t>(count - skipped, 0, batch_size_);
  if (size == 0) return {{begin + count - 1}, 0};
  std::vector<int64_t> draws(static_cast<size_t>(size));
  std::iota(draws.begin(), draws.end(), begin + skipped);
  return {std::move(draws), static_cast<double>(size) / static_cast<double>(count)};
}

int64_t EpochPlan::micro_batches_before(int64_t draws) const {
  const int64_t epochs = draws / samples_, rest = draws % samples_;
  const int64_t steps = epochs * steps_per_epoch_ + (rest + step_size_ - 1) / step_size_;
  return steps * accumulation_;
}

int64_t EpochPlan::draws_before(int64_t steps) const {
  return steps / steps_per_epoch_ * samples_ +
         std::min(steps % steps_per_epoch_ * step_size_, samples_);
}

}  // namespace sdxl
