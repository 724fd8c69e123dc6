// An LRU cache of decoded pages and lists, shared by all files and limited to 64 MiB.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <tuple>

namespace sdxl::parquet_plugin {

class DecodedCache {
 public:
  /// The file's number, the leaf and the first row.
  using Key = std::tuple<uint64_t, int, int64_t>;

  static DecodedCache& instance() {
    static DecodedCache cache;
    return cache;
  }

  /// The cached value of `key`, or else the result of `make`, a shared_ptr<const Value>.
  /// Value::bytes() is its size. Two threads may make the same value at once.
  template <typename Value, typename Make>
  std::shared_ptr<const Value> get(const Key& key, const Make& make) {
    if (const auto kept = find(key)) return std::static_pointer_cast<const Value>(kept);
    const std::shared_ptr<const Value> value = make();
    keep(key, value, value->bytes());
    return value;
  }

 private:
  struct Entry {
    Key key;
    std::shared_ptr<const void> value;
    int64_t bytes;
  };
  static constexpr int64_t kLimit = int64_t{64} << 20;

  std::shared_ptr<const void> find(const Key& key) {
    const std::lock_guard lock(mutex_);
    for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
      if (entry->key != key) continue;
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().value;
    }
    return nullptr;
  }

  void keep(const Key& key, std::shared_ptr<const void> value, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    entries_.push_front({key, std::move(value), bytes});
    bytes_ += bytes;
    while (entries_.size() > 1 && bytes_ > kLimit) {
      bytes_ -= entries_.back().bytes;
      entries_.pop_back();
    }
  }

  std::mutex mutex_;
  std::list<Entry> entries_;  // the most recent first
  int64_t bytes_ = 0;
};

}  // namespace sdxl::parquet_plugin
