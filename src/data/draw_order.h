// The order in which rows are drawn: an endless stream in which every epoch is a permutation of the
// rows. A draw's row depends on the seed and the draw's number alone, so a run resumes at any draw.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace sdxl {

class DrawOrder {
 public:
  virtual ~DrawOrder() = default;
  /// The row of draw `draw`, in [0, size()). Thread-safe; fastest for draws near the last one.
  int64_t row(int64_t draw) const;
  int64_t size() const { return size_; }

 protected:
  using Rows = std::vector<uint32_t>;
  /// The rows of consecutive draws, of which `first` is the first.
  struct Stretch {
    int64_t first = 0;
    Rows rows;
  };
  /// Error(kBadData) unless `size` is between 1 and 2^32 - 1.
  DrawOrder(int64_t size, uint64_t seed);
  /// A stretch that contains `draw`.
  virtual Stretch stretch(int64_t draw) const = 0;
  /// A random permutation of the rows, from the random stream kShuffle.
  Rows permutation(int64_t epoch) const;

 private:
  int64_t size_;
  uint64_t seed_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Stretch> kept_[2];
};

/// Draw d takes element d % size of the permutation of epoch d / size.
std::unique_ptr<DrawOrder> shuffled_order(int64_t size, uint64_t seed);

/// Groups of `group` consecutive draws (one micro-batch of all ranks) share a bucket. Rows join the
/// open group of their bucket in the order of the epoch's permutation; a group is drawn when it is
/// full. Open groups carry over to the next epoch, so every row is drawn equally often.
std::unique_ptr<DrawOrder> bucketed_order(std::vector<uint16_t> bucket_of_row, int64_t group,
                                          uint64_t seed);

}  // namespace sdxl
