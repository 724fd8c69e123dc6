// Which row of the data set each draw takes: the endless stream of samples of which every epoch is
// a permutation. Random access, so that a run goes on from any draw with nothing but its number.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

namespace sdxl {

class DrawOrder {
 public:
  virtual ~DrawOrder() = default;
  /// The row of draw `draw`. May be called from several threads; quickest near the last call.
  int64_t row(int64_t draw) const;
  int64_t size() const { return size_; }

 protected:
  using Rows = std::vector<uint32_t>;
  /// A stretch of the stream: the draws from `first` on.
  struct Stretch {
    int64_t first = 0;
    Rows rows;
  };
  /// `size` rows: 1 to 2^32 - 1, else Error(kBadData).
  DrawOrder(int64_t size, uint64_t seed);
  /// The stretch that holds `draw`.
  virtual Stretch stretch(int64_t draw) const = 0;
  /// randperm(size) of the stream `shuffle`.
  Rows permutation(int64_t epoch) const;

 private:
  int64_t size_;
  uint64_t seed_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const Stretch> kept_[2];
};

/// Draw d is place d % size of epoch d / size.
std::unique_ptr<DrawOrder> shuffled_order(int64_t size, uint64_t seed);

/// Draws in groups of `group` (one micro-batch of all ranks), each of rows of one bucket. Every
/// epoch's permutation is walked through, each row joins the group that its bucket is filling, and
/// a group comes where it became full; what an epoch leaves unfilled goes on in the next, so that
/// every row is drawn equally often.
std::unique_ptr<DrawOrder> bucketed_order(std::vector<uint16_t> bucket_of_row, int64_t group,
                                          uint64_t seed);

}  // namespace sdxl
