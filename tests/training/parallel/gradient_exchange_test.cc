// Buckets of gradients in flight to the ranks that own them.
#include "training/parallel/gradient_exchange.h"

#include <gtest/gtest.h>

namespace sdxl {
namespace {

/// The second of two ranks. Counts transfers in flight.
class CountingRanks : public Ranks {
 public:
  int64_t rank() const override { return 1; }
  int64_t size() const override { return 2; }
  std::unique_ptr<Transfer> start_reduce(const at::Tensor&, int64_t owner) override {
    if (owner == 1) return Ranks::start_reduce({}, owner);
    most_ = std::max(most_, ++in_flight_);
    return std::make_unique<Counted>(in_flight_);
  }
  int most() const { return most_; }

 private:
  class Counted : public Transfer {
   public:
    explicit Counted(int& in_flight) : in_flight_(in_flight) {}
    void wait() override { --in_flight_; }

   private:
    int& in_flight_;
  };
  int in_flight_ = 0, most_ = 0;
};

TEST(GradientExchange, KeepsFewBucketsOfOtherRanksInFlight) {
  constexpr int64_t kElements = int64_t{7} << 20;  // a bucket each
  constexpr size_t kTensors = 20;
  std::vector<TrainedTensor> tensors;
  std::vector<int64_t> owners;
  for (size_t i = 0; i < kTensors; ++i) {
    tensors.push_back({"weight", at::empty({kElements}), {}});
    owners.push_back(i < kTensors - 2 ? 0 : 1);
  }
  CountingRanks ranks;
  GradientExchange exchange(ranks, tensors, owners);

  const at::Tensor gradient = at::ones({1}).expand({kElements});
  for (size_t i = kTensors; i-- > 0;) exchange.put(i, gradient);
  const std::vector<at::Tensor> sums = exchange.take();

  EXPECT_LE(ranks.most(), 9);
  for (size_t i = 0; i < kTensors; ++i) EXPECT_EQ(sums[i].defined(), owners[i] == 1) << i;
}

}  // namespace
}  // namespace sdxl
