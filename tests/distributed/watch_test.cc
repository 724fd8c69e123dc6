// A rank whose store answers late or never.
#include "distributed/watch.h"

#include <gtest/gtest.h>

#include <torch/csrc/distributed/c10d/HashStore.hpp>

namespace sdxl {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// Delays check().
class LateStore : public c10d::HashStore {
 public:
  explicit LateStore(milliseconds delay) : delay_(delay) {}
  bool check(const std::vector<std::string>& keys) override {
    std::this_thread::sleep_for(delay_);
    return HashStore::check(keys);
  }

 private:
  const milliseconds delay_;
};

TEST(Watch, ToleratesASlowStore) {
  Watch watch(c10::make_intrusive<LateStore>(milliseconds(500)), 1, 2, seconds(2));
  std::this_thread::sleep_for(seconds(4));
  EXPECT_FALSE(watch.failure());
}

TEST(Watch, EndsTheProcessIfTheStoreNeverAnswers) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const Watch watch(c10::make_intrusive<LateStore>(seconds(3600)), 1, 2, seconds(1));
        std::this_thread::sleep_for(seconds(60));
      },
      testing::ExitedWithCode(69), "rank 0, which serves the run's store, does not answer");
}

}  // namespace
}  // namespace sdxl
