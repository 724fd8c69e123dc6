// The cache's files: several processes, kills, damage.
#include "data/cache/cache_store.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>

#include <thread>

#include "data/data_test_files.h"

namespace sdxl {
namespace {

using ::testing::HasSubstr;

const Json kAbout = {{"kind", "things"}, {"version", 1}};

std::string value_of(int number) {
  return std::string(100 + number * 37 % 5000, static_cast<char>('a' + number % 26));
}

CacheKey key_of(int number) { return CacheKey::of(std::to_string(number)); }

void put(CacheStore& store, int from, int to) {
  for (int i = from; i < to; ++i) store.put(key_of(i), value_of(i));
}

TEST(CacheStore, KeepsValuesForTheNextProcess) {
  TemporaryDirectory d;
  {
    CacheStore store(d.path(), kAbout);
    EXPECT_FALSE(store.contains(key_of(1)));
    put(store, 0, 100);
    EXPECT_EQ(store.read(key_of(7)), value_of(7));
  }
  const CacheStore store(d.path(), kAbout);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(store.read(key_of(i)), value_of(i));
  EXPECT_FALSE(store.read(key_of(100)));
  EXPECT_EQ(store.statistics().values, 100);
}

TEST(CacheStore, AnotherDescriptionIsAnotherDirectory) {
  TemporaryDirectory d;
  CacheStore(d.path(), kAbout).put(key_of(1), "x");
  EXPECT_FALSE(CacheStore(d.path(), Json{{"kind", "things"}, {"version", 2}}).contains(key_of(1)));
  EXPECT_TRUE(CacheStore(CacheStore(d.path(), kAbout).directory()).contains(key_of(1)));
}

TEST(CacheStore, IsNotMadeByLooking) {
  TemporaryDirectory d;
  CacheStore store(d.path(), kAbout);
  EXPECT_FALSE(store.contains(key_of(1)));
  EXPECT_FALSE(fs::exists(store.directory()));
}

TEST(CacheStore, TwoWritersDoNotDisturbEachOther) {
  TemporaryDirectory d;
  CacheStore one(d.path(), kAbout), two(d.path(), kAbout);
  put(one, 0, 60);
  put(two, 40, 100);
  one.flush();
  two.flush();
  EXPECT_FALSE(one.contains(key_of(99)));
  one.refresh();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(one.read(key_of(i)), value_of(i));
  EXPECT_EQ(one.statistics().records, 120);
  EXPECT_EQ(one.statistics().values, 100);
}

TEST(CacheStore, ReadsBesideWriting) {
  TemporaryDirectory d;
  CacheStore store(d.path(), kAbout);
  put(store, 0, 10);
  std::thread reader([&] {
    for (int i = 0; i < 2000; ++i) EXPECT_EQ(store.read(key_of(i % 10)), value_of(i % 10));
  });
  put(store, 10, 2000);
  reader.join();
}

TEST(CacheStore, DamageIsFoundMarkedAndMadeAgain) {
  TemporaryDirectory d;
  { put(*std::make_unique<CacheStore>(d.path(), kAbout), 0, 5); }
  CacheStore store(d.path(), kAbout);
  for (const auto& entry : fs::directory_iterator(store.directory())) {
    if (entry.path().extension() != ".data") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(64 + 10).put('!');
  }
  EXPECT_THAT(test::error_message([&] { store.read(key_of(0)); }), HasSubstr("is damaged"));
  EXPECT_EQ(store.read(key_of(1)), value_of(1));
  CacheStore next(d.path(), kAbout);
  EXPECT_FALSE(next.contains(key_of(0)));
  next.put(key_of(0), value_of(0));
  next.flush();
  EXPECT_EQ(CacheStore(d.path(), kAbout).read(key_of(0)), value_of(0));
}

TEST(CacheStore, VerifyFindsDamageAndMissingData) {
  TemporaryDirectory d;
  { put(*std::make_unique<CacheStore>(d.path(), kAbout), 0, 20); }
  CacheStore store(d.path(), kAbout);
  uint64_t seen = 0;
  EXPECT_EQ(store.verify([&](uint64_t bytes) { seen += bytes; }), 0);
  EXPECT_GT(seen, 2000u);
  for (const auto& entry : fs::directory_iterator(store.directory())) {
    if (entry.path().extension() == ".data") fs::resize_file(entry.path(), 3000);
  }
  CacheStore cut(d.path(), kAbout);
  EXPECT_GT(cut.verify([](uint64_t) {}), 10);
}

TEST(CacheStore, TornIndexIsReadUpToTheTear) {
  TemporaryDirectory d;
  { put(*std::make_unique<CacheStore>(d.path(), kAbout), 0, 5); }
  for (const auto& entry : fs::recursive_directory_iterator(d.path())) {
    if (entry.path().extension() == ".index") fs::resize_file(entry.path(), 64 * 4 + 17);
  }
  const CacheStore store(d.path(), kAbout);
  EXPECT_EQ(store.statistics().values, 3);
}

// A process that fills the cache is killed at random times; what the next one finds is whole.
TEST(CacheStore, KilledAtAnyMomentLeavesNothingWrong) {
  TemporaryDirectory d;
  // On a busy machine some are killed before they write anything.
  const auto values = [&] { return CacheStore(d.path(), kAbout).statistics().values; };
  for (int round = 0; round < 20 || values() <= 20; ++round) {
    const pid_t child = ::fork();
    if (child == 0) {
      CacheStore store(d.path(), kAbout);
      for (int i = 0;; ++i) {
        store.put(key_of(round * 100000 + i), value_of(i));
        if (i % 3 == 0) store.flush();
      }
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(3 + round * 7 % 20));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
  }
  CacheStore store(d.path(), kAbout);
  EXPECT_EQ(store.verify([](uint64_t) {}), 0);
}

TEST(CacheStore, KeysDependOnEveryNumber) {
  const CacheKey key = CacheKey::of("picture");
  EXPECT_EQ(key.with({1, 2}), key.with({1, 2}));
  EXPECT_FALSE(key.with({1, 2}) == key.with({2, 1}));
  EXPECT_FALSE(key.with({1, 2}) == key.with({1, 3}));
  EXPECT_FALSE(key.with({0}) == key);
}

}  // namespace
}  // namespace sdxl
