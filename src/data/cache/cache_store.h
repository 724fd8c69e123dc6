// Values on disk by content key, many to a file. Several processes may fill one directory at once,
// each its own shards; one that is killed at any moment leaves nothing that is read wrongly.
//
// A directory holds about.json (what the values are), lock (shared by those that use it), damaged
// (one line "shard record" for each value found damaged), and for each shard
//   shard-<16 hex digits>.data    a header of 64 bytes, then values, each at a multiple of 64
//   shard-<16 hex digits>.index   a header of 64 bytes, then a record of 64 for each value, written
//                                 when the value is on disk: key[32], offset u64, length u64,
//                                 CRC-32C of the value u32, zeros u64, CRC-32C of the 60 bytes
//                                 before u32; all little endian
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

#include "base/files.h"
#include "base/json.h"
#include "data/cache/key.h"

namespace sdxl {

struct CacheStatistics {
  int64_t values = 0;   ///< That can be read.
  int64_t records = 0;  ///< Values and what was found damaged or twice.
  int64_t shards = 0;
  uint64_t bytes = 0;  ///< Of the files.
};

class CacheStore {
 public:
  /// Opens `parent`/<kind>-<hash of description>, which need not exist: it is made when the first
  /// value is put. `description` is an object; its "kind" begins the directory's name.
  CacheStore(const std::filesystem::path& parent, const Json& description);
  /// Opens an existing directory.
  explicit CacheStore(const std::filesystem::path& directory);
  ~CacheStore();

  const std::filesystem::path& directory() const { return directory_; }

  /// What these see is what was there when the store was opened or refreshed, and what this object
  /// put. Safe from several threads, beside put() too.
  bool contains(const CacheKey& key) const;
  /// The value, its checksum verified; nothing where there is none. Damage is Error(kBadData); the
  /// value is then marked, so that whoever opens the directory next makes it again.
  std::optional<std::string> read(const CacheKey& key) const;

  /// Adds a value unless there is one. Flushes now and then.
  void put(const CacheKey& key, std::string_view value);
  /// Makes what was put survive a kill of the machine; until then others do not see it.
  void flush();
  /// Looks for what others have put. Not beside other calls.
  void refresh();

  CacheStatistics statistics() const;
  /// Verifies every value and marks what is damaged. `seen` is called with the bytes of each.
  /// Returns how many were found damaged now.
  int64_t verify(const std::function<void(uint64_t bytes)>& seen);

 private:
  struct Shard;
  struct Writer;
  /// Of the key's other words `tag` keeps a few bits, so that most other keys need no look at
  /// theirs.
  struct Place {
    uint32_t shard : 20, tag : 12;
    uint32_t record;
  };

  void open_existing();
  void load();
  void load_shard(const std::filesystem::path& index, const std::set<uint32_t>& damaged);
  void insert(const CacheKey& key, uint32_t shard, uint32_t record);
  /// Makes room in the table for so many values.
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
