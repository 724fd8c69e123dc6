#include "data/draw_order.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "device/random.h"

namespace sdxl {

DrawOrder::DrawOrder(int64_t size, uint64_t seed) : size_(size), seed_(seed) {
  if (size < 1 || size > std::numeric_limits<uint32_t>::max()) {
    throw Error(ExitStatus::kBadData,
                str("cannot draw from a data set of ", size, " rows; it needs 1 to 4294967295"));
  }
}

int64_t DrawOrder::row(int64_t draw) const {
  const auto holds = [draw](const std::shared_ptr<const Stretch>& kept) {
    return kept && draw >= kept->first &&
           draw < kept->first + static_cast<int64_t>(kept->rows.size());
  };
  // Loader threads cross from one stretch to the next at nearly the same time, so keep two.
  const std::lock_guard lock(mutex_);
  if (!holds(kept_[0])) {
    if (!holds(kept_[1])) kept_[1] = std::make_shared<Stretch>(stretch(draw));
    std::swap(kept_[0], kept_[1]);
  }
  return kept_[0]->rows[draw - kept_[0]->first];
}

DrawOrder::Rows DrawOrder::permutation(int64_t epoch) const {
  at::Generator generator = stream_generator(seed_, Stream::kShuffle, static_cast<uint64_t>(epoch));
  const at::Tensor order = at::randperm(size_, generator, at::kLong);
  const int64_t* rows = order.const_data_ptr<int64_t>();
  return {rows, rows + size_};
}

namespace {

class ShuffledOrder : public DrawOrder {
 public:
  ShuffledOrder(int64_t size, uint64_t seed) : DrawOrder(size, seed) {}

 private:
  Stretch stretch(int64_t draw) const override {
    const int64_t epoch = draw / size();
    return {epoch * size(), permutation(epoch)};
  }
};

class BucketedOrder : public DrawOrder {
 public:
  BucketedOrder(std::vector<uint16_t> bucket_of_row, int64_t group, uint64_t seed)
      : DrawOrder(static_cast<int64_t>(bucket_of_row.size()), seed),
        bucket_of_row_(std::move(bucket_of_row)),
        group_(group) {
    for (const uint16_t bucket : bucket_of_row_) {
      if (bucket >= counts_.size()) counts_.resize(bucket + 1);
      ++counts_[bucket];
    }
  }

 private:
  /// How many groups are full after `epochs` epochs.
  int64_t groups_after(int64_t epochs) const {
    int64_t groups = 0;
    for (const int64_t count : counts_) groups += epochs * count / group_;
    return groups;
  }

  int64_t epoch_of_group(int64_t group) const {
    // After e + 1 epochs at most (e + 1) * size / group groups are full, and at least that many
    // less one per bucket.
    int64_t low = group * group_ / size(), high = low + group_ * int64_t(counts_.size()) + 1;
    low = std::max<int64_t>(0, low - 1);
    while (low < high) {
      const int64_t middle = (low + high) / 2;
      if (groups_after(middle + 1) > group) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }

  /// The rows of each bucket's open group when `epoch` begins.
  std::vector<Rows> carried_into(int64_t epoch) const {
    std::vector<Rows> carried(counts_.size());
    const auto wanted = [&](size_t bucket) { return epoch * counts_[bucket] % group_; };
    for (int64_t earlier = epoch - 1; earlier >= 0; --earlier) {
      bool complete = true;
      for (size_t b = 0; b < counts_.size(); ++b) {
        complete = complete && static_cast<int64_t>(carried[b].size()) == wanted(b);
      }
      if (complete) break;
      const Rows order = permutation(earlier);
      for (auto row = order.rbegin(); row != order.rend(); ++row) {
        const uint16_t bucket = bucket_of_row_[*row];
        if (static_cast<int64_t>(carried[bucket].size()) < wanted(bucket)) {
          carried[bucket].push_back(*row);
        }
      }
    }
    for (Rows& rows : carried) std::reverse(rows.begin(), rows.end());
    return carried;
  }

  Stretch stretch(int64_t draw) const override {
    const int64_t epoch = epoch_of_group(draw / group_);
    std::vector<Rows> filling = carried_into(epoch);
    Stretch result{groups_after(epoch) * group_, {}};
    for (const uint32_t row : permutation(epoch)) {
      Rows& rows = filling[bucket_of_row_[row]];
      rows.push_back(row);
      if (static_cast<int64_t>(rows.size()) < group_) continue;
      result.rows.insert(result.rows.end(), rows.begin(), rows.end());
      rows.clear();
    }
    return result;
  }

  std::vector<uint16_t> bucket_of_row_;
  int64_t group_;
  std::vector<int64_t> counts_;
};

}  // namespace

std::unique_ptr<DrawOrder> shuffled_order(int64_t size, uint64_t seed) {
  return std::make_unique<ShuffledOrder>(size, seed);
}

std::unique_ptr<DrawOrder> bucketed_order(std::vector<uint16_t> bucket_of_row, int64_t group,
                                          uint64_t seed) {
  return std::make_unique<BucketedOrder>(std::move(bucket_of_row), group, seed);
}

}  // namespace sdxl
