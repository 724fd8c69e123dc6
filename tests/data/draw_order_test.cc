// The order of the draws: permutations of the reference, and buckets.
#include "data/draw_order.h"

#include <algorithm>
#include <map>

#include "data/data_test_files.h"

namespace sdxl {
namespace {

TEST(DrawOrder, EpochsAreThePermutationsOfTheReference) {
  for (const Json& json : transform_reference()["orders"]) {
    const int64_t size = json["size"];
    const auto order = shuffled_order(size, json["seed"]);
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      for (size_t i = 0; i < json["epochs"][epoch].size(); ++i) {
        EXPECT_EQ(order->row(epoch * size + i), json["epochs"][epoch][i].get<int64_t>());
      }
    }
  }
}

TEST(DrawOrder, AnyDrawIsTheSameInAnyOrderOfAsking) {
  const auto forward = shuffled_order(13, 5), other = shuffled_order(13, 5);
  std::map<int64_t, int64_t> rows;
  for (int64_t draw = 0; draw < 100; ++draw) rows[draw] = forward->row(draw);
  for (int64_t k = 0; k < 100; ++k) EXPECT_EQ(other->row(k * 37 % 100), rows[k * 37 % 100]);
}

std::vector<uint16_t> uneven_buckets() {
  std::vector<uint16_t> buckets(50, 2);
  for (int i = 0; i < 50; ++i) buckets[i] = i == 7 ? 0 : i % 5 == 0 ? 1 : i % 3 == 0 ? 3 : 2;
  return buckets;
}

TEST(BucketedOrder, EveryGroupIsOfOneBucket) {
  const std::vector<uint16_t> buckets = uneven_buckets();
  const auto order = bucketed_order(buckets, 4, 9);
  for (int64_t group = 0; group < 500; ++group) {
    for (int64_t k = 1; k < 4; ++k) {
      EXPECT_EQ(buckets[order->row(group * 4 + k)], buckets[order->row(group * 4)]);
    }
  }
}

TEST(BucketedOrder, EveryRowIsDrawnEquallyOften) {
  const auto order = bucketed_order(uneven_buckets(), 4, 9);
  std::vector<int> count(50, 0);
  for (int64_t draw = 0; draw < 50 * 40; ++draw) ++count[order->row(draw)];
  // After 40 epochs a row may lie in the one group of its bucket that is not full.
  const auto [least, most] = std::minmax_element(count.begin(), count.end());
  EXPECT_GE(*least, 36);
  EXPECT_LE(*most, 44);
}

TEST(BucketedOrder, GoesOnFromAnyDraw) {
  const auto whole = bucketed_order(uneven_buckets(), 8, 1);
  for (int64_t draw = 0; draw < 3000; ++draw) {
    const int64_t expected = whole->row(draw);
    if (draw % 97 == 0) {
      EXPECT_EQ(bucketed_order(uneven_buckets(), 8, 1)->row(draw), expected) << draw;
    }
  }
}

// The definition, walked through from the first draw.
TEST(BucketedOrder, FillsGroupsInTheOrderOfThePermutations) {
  const std::vector<uint16_t> buckets = uneven_buckets();
  const auto plain = shuffled_order(50, 3);
  const auto order = bucketed_order(buckets, 8, 3);
  std::map<uint16_t, std::vector<int64_t>> filling;
  int64_t draw = 0;
  for (int64_t position = 0; position < 50 * 30; ++position) {
    const int64_t row = plain->row(position);
    std::vector<int64_t>& group = filling[buckets[row]];
    group.push_back(row);
    if (group.size() < 8) continue;
    for (const int64_t expected : group) EXPECT_EQ(order->row(draw++), expected);
    group.clear();
  }
}

}  // namespace
}  // namespace sdxl
