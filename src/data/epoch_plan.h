// Divides each pass over the data into steps of which the last is smaller, so that every epoch
// draws each sample exactly once.
#pragma once

#include <cstdint>
#include <vector>

namespace sdxl {

/// What one rank takes of one micro-batch.
struct MicroBatch {
  std::vector<int64_t> draws;
  /// Its share of the mean over the step's samples. 0 for a filler: a rank without samples of its
  /// own repeats one, so that all ranks do the same.
  double weight = 0;
};

class EpochPlan {
 public:
  /// A step takes `accumulation` micro-batches of `batch_size` samples on each of `ranks`, unless
  /// fewer of the epoch's `samples` are left.
  EpochPlan(int64_t samples, int64_t batch_size, int64_t ranks, int64_t accumulation);

  /// Micro-batch `number` of the run, counted from 0, on `rank`.
  MicroBatch micro_batch(int64_t number, int64_t rank) const;
  /// The number of the first micro-batch after `draws` draws.
  int64_t micro_batches_before(int64_t draws) const;
  /// The draws of the first `steps` steps.
  int64_t draws_before(int64_t steps) const;

 private:
  int64_t samples_, batch_size_, ranks_, accumulation_;
  int64_t step_size_, steps_per_epoch_;
};

}  // namespace sdxl
