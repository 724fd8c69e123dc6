// Batches in the order of the draws, prepared ahead of the trainer by threads of their own.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "data/sample_source.h"

namespace sdxl {

/// Micro-batch m of rank r takes the draws from first_draw + (m * ranks + r) * batch_size on.
struct BatchPlan {
  int64_t batch_size = 1, ranks = 1, rank = 0;
  int64_t first_draw = 0;
};

class Loader {
 public:
  using MakeSample = std::function<Sample(int64_t draw)>;
  /// The draws of a micro-batch; none where there are no more.
  using DrawsOf = std::function<std::vector<int64_t>(int64_t micro_batch)>;

  /// Micro-batches of the plan from `first` on, counted from the start of the run, without end.
  /// `sample` is called by `workers` threads at once, or with 0 by the caller of next().
  Loader(MakeSample sample, BatchPlan plan, int64_t first, int64_t workers);
  /// The same with other draws: micro-batches 0, 1, … until one is empty.
  Loader(MakeSample sample, DrawsOf draws_of, int64_t workers);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  /// The next micro-batch; nothing at the end, or where a stop is requested meanwhile (the
  /// micro-batch is then still the next one). What preparing it threw is thrown here, in its turn.
  std::optional<Batch> next();

  /// How long next() has waited for data in all, in seconds.
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
