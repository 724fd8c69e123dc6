// The table of a cache directory's values, and adding to it.
#include "data/cache/cache_store.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <chrono>
#include <map>
#include <thread>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/stop.h"
#include "base/text.h"
#include "data/cache/cache_shard.h"

namespace sdxl {
namespace {

constexpr uint32_t kFree = (1u << 20) - 1;  // Place::shard of a free slot.
constexpr uint32_t kTagBits = (1u << 12) - 1;

uint32_t tag_of(const CacheKey& key) { return static_cast<uint32_t>(key.words[1]) & kTagBits; }

std::string directory_name(const Json& description) {
  return description.at("kind").get<std::string>() + "-" +
         sha256(one_line(description)).substr(0, 16);
}

std::string value_name(const CacheShard& shard, uint32_t record) {
  return str(shard.name(), " ", record);
}

/// "shard record" lines -> the records of each shard.
std::map<std::string, std::set<uint32_t>> read_damaged(const fs::path& path) {
  std::map<std::string, std::set<uint32_t>> damaged;
  if (!fs::exists(path)) return damaged;
  for (const std::string& line : split(read_file(path), '\n')) {
    const std::vector<std::string> words = split(line, ' ');
    uint32_t record;
    if (words.size() != 2) continue;
    const char* end = words[1].data() + words[1].size();
    if (std::from_chars(words[1].data(), end, record).ptr == end) damaged[words[0]].insert(record);
  }
  return damaged;
}

}  // namespace

struct CacheStore::Shard : CacheShard {
  using CacheShard::CacheShard;
};
struct CacheStore::Writer : CacheShardWriter {
  using CacheShardWriter::CacheShardWriter;
  uint32_t shard = 0;
};

CacheStore::CacheStore(const fs::path& parent, const Json& description)
    : directory_(parent / directory_name(description)), description_(description) {
  if (fs::exists(directory_ / "about.json")) open_existing();
}

CacheStore::CacheStore(const fs::path& directory) : directory_(directory) {
  description_ = read_json(directory / "about.json");
  open_existing();
}

CacheStore::~CacheStore() {
  try {
    flush();
  } catch (const Error&) {
    // The next fill makes again what was not flushed.
  }
}

void CacheStore::open_existing() {
  try {
    while (!(lock_ = FileLock::try_share(directory_ / "lock"))) {
      throw_if_stop_requested("waiting for the cache");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    fs::last_write_time(directory_ / "about.json", fs::file_time_type::clock::now());
  } catch (const Interrupted&) {
    throw;
  } catch (const std::exception&) {
    // A read-only directory needs no lock and keeps no time of use.
  }
  load();
}

void CacheStore::load() {
  std::vector<fs::path> indices;
  for (const auto& entry : fs::directory_iterator(directory_)) {
    if (entry.path().extension() == ".index") indices.push_back(entry.path());
  }
  std::sort(indices.begin(), indices.end());
  std::map<std::string, std::set<uint32_t>> damaged = read_damaged(directory_ / "damaged");
  for (const fs::path& index : indices) load_shard(index, damaged[index.stem().string()]);
}

void CacheStore::load_shard(const fs::path& index, const std::set<uint32_t>& damaged) {
  auto shard = std::make_unique<Shard>(index);
  const uint32_t number = static_cast<uint32_t>(shards_.size());
  if (number >= kFree) {
    throw Error(ExitStatus::kFailure, str("the cache ", quoted(directory_.string()),
                                          " has too many shards; delete the directory"));
  }
  shards_.push_back(std::move(shard));
  const Shard& loaded = *shards_.back();
  const uint32_t size = loaded.size();
  reserve(count_ + size);
  for (uint32_t i = 0; i < size; ++i) {
    const CacheRecord& record = loaded.record(i);
    if (record.record_checksum != record.expected_checksum() || damaged.contains(i)) continue;
    if (!find(record.key)) insert(record.key, number, i);
  }
  loaded.release_index();
}

void CacheStore::reserve(int64_t count) {
  if (static_cast<size_t>(count) * 2 <= table_.size()) return;
  std::vector<Place> old(std::max<size_t>(1024, std::bit_ceil(static_cast<size_t>(count) * 2)),
                         {kFree, 0, 0});
  old.swap(table_);
  count_ = 0;
  for (const Place& moved : old) {
    if (moved.shard != kFree) {
      insert(shards_[moved.shard]->record(moved.record).key, moved.shard, moved.record);
    }
  }
}

void CacheStore::insert(const CacheKey& key, uint32_t shard, uint32_t record) {
  reserve(count_ + 1);
  size_t slot = key.words[0] & (table_.size() - 1);
  while (table_[slot].shard != kFree) slot = (slot + 1) & (table_.size() - 1);
  table_[slot] = {shard, tag_of(key), record};
  ++count_;
}

const CacheStore::Place* CacheStore::find(const CacheKey& key) const {
  if (table_.empty()) return nullptr;
  size_t slot = key.words[0] & (table_.size() - 1);
  for (; table_[slot].shard != kFree; slot = (slot + 1) & (table_.size() - 1)) {
    const Place& place = table_[slot];
    if (place.tag == tag_of(key) && shards_[place.shard]->record(place.record).key == key) {
      return &place;
    }
  }
  return nullptr;
}

bool CacheStore::contains(const CacheKey& key) const {
  const std::shared_lock lock(mutex_);
  return find(key) != nullptr;
}

std::optional<std::string> CacheStore::intact_value(const Place& place) const {
  const Shard& shard = *shards_[place.shard];
  if (!shard.in_bounds(place.record)) return std::nullopt;
  std::string value = shard.value(place.record);
  if (crc32c(value) != shard.record(place.record).value_checksum) return std::nullopt;
  return value;
}

void CacheStore::mark_damaged(const Place& place) const {
  LineWriter(directory_ / "damaged").line(value_name(*shards_[place.shard], place.record));
}

std::optional<std::string> CacheStore::read(const CacheKey& key) const {
  const std::shared_lock lock(mutex_);
  const Place* place = find(key);
  if (!place) return std::nullopt;
  std::optional<std::string> value = intact_value(*place);
  if (value) return value;
  mark_damaged(*place);
  throw Error(ExitStatus::kBadData,
              str("the cache ", quoted(directory_.string()), " is damaged (",
                  value_name(*shards_[place->shard], place->record),
                  "); the value is marked, and the same command makes it again; `sdxl cache "
                  "check` looks for more"));
}

void CacheStore::create() {
  make_directories(directory_);
  if (!lock_) lock_ = FileLock::try_share(directory_ / "lock");
  if (!fs::exists(directory_ / "about.json")) write_json(directory_ / "about.json", description_);
}

void CacheStore::begin_shard() {
  create();
  writer_ = std::make_unique<Writer>(directory_);
  writer_->shard = static_cast<uint32_t>(shards_.size());
  shards_.push_back(std::make_unique<Shard>(writer_->name(), directory_));
}

void CacheStore::put(const CacheKey& key, std::string_view value) {
  const std::unique_lock lock(mutex_);
  if (find(key)) return;
  if (!writer_) begin_shard();
  Shard& shard = *shards_[writer_->shard];
  try {
    shard.add(writer_->append(key, value));
    insert(key, writer_->shard, shard.size() - 1);
    if (writer_->wants_flush() || writer_->full()) flush_unlocked();
    if (writer_->full()) writer_.reset();
  } catch (...) {
    writer_.reset();
    throw;
  }
}

void CacheStore::flush_unlocked() {
  if (writer_) writer_->flush();
}

void CacheStore::flush() {
  const std::unique_lock lock(mutex_);
  flush_unlocked();
}

void CacheStore::refresh() {
  flush();
  writer_.reset();
  table_.clear();
  shards_.clear();
  count_ = 0;
  if (fs::exists(directory_ / "about.json")) load();
}

CacheStatistics CacheStore::statistics() const {
  const std::shared_lock lock(mutex_);
  CacheStatistics statistics;
  statistics.values = count_;
  statistics.shards = static_cast<int64_t>(shards_.size());
  for (const auto& shard : shards_) {
    statistics.bytes += shard->file_bytes();
    statistics.records += shard->size();
  }
  return statistics;
}

int64_t CacheStore::verify(const std::function<void(uint64_t bytes)>& seen) {
  int64_t damaged = 0;
  for (const Place& place : table_) {
    if (place.shard == kFree) continue;
    throw_if_stop_requested("checking the cache");
    if (!intact_value(place)) {
      mark_damaged(place);
      ++damaged;
    }
    seen(shards_[place.shard]->record(place.record).length);
  }
  return damaged;
}

}  // namespace sdxl
