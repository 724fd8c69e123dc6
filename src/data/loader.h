// Prepares batches in the order of the draws, ahead of the trainer, on worker threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/sample_source.h"

namespace sdxl {

/// Micro-batch m of rank r takes `batch_size` draws from first_draw + (m * ranks + r) * batch_size.
struct BatchPlan {
  int64_t batch_size = 1, ranks = 1, rank = 0;
  int64_t first_draw = 0;
};

class Loader {
 public:
  using MakeSample = std::function<Sample(int64_t draw)>;
  /// The draws of a micro-batch; empty after the last one.
  using DrawsOf = std::function<std::vector<int64_t>(int64_t micro_batch)>;

  /// Loads the plan's micro-batches without end, starting with number `first` of the run. Calls
  /// `sample` from `workers` threads at once, or from next() if `workers` is 0.
  Loader(MakeSample sample, BatchPlan plan, int64_t first, int64_t workers);
  /// Loads micro-batches 0, 1, … of `draws_of` until one is empty.
  Loader(MakeSample sample, DrawsOf draws_of, int64_t workers);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next micro-batch; nothing after the last one, or if a stop is requested while waiting (the
  /// next call then returns it). Rethrows what preparing the micro-batch threw.
  std::optional<Batch> next();

  /// Seconds that all calls of next() took together.
  double waited_seconds() const { return waited_seconds_; }

 private:
  struct Workers;
  Loader(MakeSample sample, DrawsOf draws_of, int64_t first, int64_t workers);
  std::optional<Batch> make_here();

  MakeSample sample_;
  DrawsOf draws_of_;
  int64_t next_;
  double waited_seconds_ = 0;
  std::unique_ptr<Workers> workers_;
};

}  // namespace sdxl
