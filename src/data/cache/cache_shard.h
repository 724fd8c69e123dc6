// One pair of files of a cache directory, whose layout is in cache_store.h. Used by CacheStore
// only.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/files/descriptor.h"
#include "base/files/files.h"
#include "data/cache/key.h"

namespace sdxl {

inline constexpr uint64_t kCacheAlignment = 64;

struct CacheRecord {
  CacheKey key;
  uint64_t offset, length;
  uint32_t value_checksum, zeros[2], record_checksum;

  /// The checksum of the record's first 60 bytes.
  uint32_t expected_checksum() const;
};
static_assert(sizeof(CacheRecord) == 64);

/// Reads a shard. Maps its index at once and its data with the first value.
class CacheShard {
 public:
  /// Maps `index`. Leaves out a torn record at its end.
  explicit CacheShard(const std::filesystem::path& index);
  /// A shard that this process is writing, whose records come by add().
  explicit CacheShard(std::string name, const std::filesystem::path& directory);

  const std::string& name() const { return name_; }
  uint32_t size() const;
  const CacheRecord& record(uint32_t index) const;
  void add(const CacheRecord& record) { written_.push_back(record); }
  uint64_t file_bytes() const;

  /// Whether the value lies within the data file.
  bool in_bounds(uint32_t index) const;
  /// A copy of the value. Releases its pages, so that they do not pile up in memory.
  std::string value(uint32_t index) const;
  /// Releases the index's pages; record() reads them again.
  void release_index() const;

 private:
  std::shared_ptr<const MappedFile> mapped_data(uint64_t end) const;
  std::filesystem::path data_path() const { return directory_ / (name_ + ".data"); }

  std::string name_;
  std::filesystem::path directory_;
  std::unique_ptr<MappedFile> index_;
  std::vector<CacheRecord> written_;
  mutable std::mutex mutex_;
  mutable std::shared_ptr<const MappedFile> data_;
  mutable std::atomic<uint64_t> read_since_release_{0};
};

/// Writes a new shard.
class CacheShardWriter {
 public:
  explicit CacheShardWriter(const std::filesystem::path& directory);

  const std::string& name() const { return name_; }
  /// Appends the value to the data file; flush() writes its record.
  CacheRecord append(const CacheKey& key, std::string_view value);
  void flush();
  bool wants_flush() const;
  bool full() const;

 private:
  std::string name_;
  std::filesystem::path data_path_, index_path_;
  Descriptor data_, index_;
  uint64_t position_ = 0, unflushed_ = 0;
  std::chrono::steady_clock::time_point flushed_;
  std::string records_;
};

}  // namespace sdxl
