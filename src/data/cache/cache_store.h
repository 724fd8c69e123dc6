// A directory of values by key, many values per file. Several processes may fill it at once, each
// with its own shards. A process killed at any moment leaves no value that would be misread.
//
// The directory holds about.json (what the values are), lock (shared by its users), damaged (one
// line "shard record" per damaged value), and for each shard
//   shard-<16 hex digits>.data    a header of 64 bytes, then values, each at a multiple of 64
//   shard-<16 hex digits>.index   a header of 64 bytes, then one record of 64 bytes per value,
//                                 written after the value is on disk: key[32], offset u64, length
//                                 u64, CRC-32C of the value u32, zeros u64, CRC-32C of the record's
//                                 first 60 bytes u32; all little endian
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/files/files.h"
#include "base/json.h"
#include "data/cache/key.h"

namespace sdxl {

struct CacheStatistics {
  int64_t values = 0;   ///< Values that can be read.
  int64_t records = 0;  ///< All values, damaged and duplicate ones included.
  int64_t shards = 0;
  uint64_t bytes = 0;  ///< Size of the files.
};

class CacheStore {
 public:
  /// Opens `parent`/<kind>-<hash of description>; the first put() creates it. `description` is an
  /// object that says what the values are; its "kind" begins the directory's name.
  CacheStore(const std::filesystem::path& parent, const Json& description);
  /// Opens an existing directory.
  explicit CacheStore(const std::filesystem::path& directory);
  ~CacheStore();

  const std::filesystem::path& directory() const { return directory_; }

  /// Knows the values that the store had when it was opened or refreshed, and those put since.
  /// Thread-safe, also beside put(); so is read().
  bool contains(const CacheKey& key) const;
  /// The value, its checksum verified, or nothing. Marks a damaged value, so that the next process
  /// to open the directory makes it again, and throws Error(kBadData).
  std::optional<std::string> read(const CacheKey& key) const;

  /// Adds the value unless the key has one. Flushes now and then.
  void put(const CacheKey& key, std::string_view value);
  /// Writes what was put to disk, so that it survives a power cut and other processes see it.
  void flush();
  /// Looks for values of other processes. Not thread-safe.
  void refresh();

  CacheStatistics statistics() const;
  /// Verifies every value and marks damaged ones. Calls `seen` with the size of each. Returns how
  /// many it found damaged.
  int64_t verify(const std::function<void(uint64_t bytes)>& seen);

 private:
  struct Shard;
  struct Writer;
  /// `tag` holds a few bits of the key's second word, so that most other keys in a slot are told
  /// apart without reading their records.
  struct Place {
    uint32_t shard : 20, tag : 12;
    uint32_t record;
  };

  void open_existing();
  void load();
  void load_shard(const std::filesystem::path& index, const std::set<uint32_t>& damaged);
  void insert(const CacheKey& key, uint32_t shard, uint32_t record);
  /// Makes room in the table for `count` values.
  void reserve(int64_t count);
  const Place* find(const CacheKey& key) const;
  void create();
  void begin_shard();
  void flush_unlocked();
  std::optional<std::string> intact_value(const Place& place) const;
  void mark_damaged(const Place& place) const;

  std::filesystem::path directory_;
  Json description_;
  std::unique_ptr<FileLock> lock_;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::vector<Place> table_;  // Open addressing by the key's first word.
  int64_t count_ = 0;
  std::unique_ptr<Writer> writer_;
  mutable std::shared_mutex mutex_;
};

}  // namespace sdxl
