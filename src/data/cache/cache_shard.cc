#include "data/cache/cache_shard.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <random>

#include "base/crc32c.h"
#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

constexpr uint64_t kHeader = 64;
constexpr char kMagic[8] = {'S', 'D', 'X', 'L', 'C', 'A', 'C', '1'};
constexpr uint64_t kFullShard = uint64_t{1} << 30;
constexpr uint64_t kFlushBytes = uint64_t{64} << 20;
constexpr std::chrono::seconds kFlushInterval{2};
constexpr uint64_t kLargeValue = uint64_t{16} << 10;
constexpr uint64_t kReadBeforeRelease = uint64_t{1} << 20;

/// Drops pages of a mapping from this process's memory; the page cache keeps them.
void release(const MappedFile& file, uint64_t begin, uint64_t end) {
  static const uint64_t page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  begin = begin / page * page;
  ::madvise(const_cast<std::byte*>(file.data()) + begin, end - begin, MADV_DONTNEED);
}

std::string unused_name() {
  std::random_device random;
  const uint64_t number = uint64_t{random()} << 32 | random();
  char name[32];
  std::snprintf(name, sizeof name, "shard-%016llx", static_cast<unsigned long long>(number));
  return name;
}

void sync_data(int descriptor, const fs::path& path) {
  while (::fdatasync(descriptor) != 0) {
    if (errno != EINTR) throw_file_error("write", path, errno);
  }
}

}  // namespace

uint32_t CacheRecord::expected_checksum() const {
  return crc32c({reinterpret_cast<const char*>(this), offsetof(CacheRecord, record_checksum)});
}

CacheShard::CacheShard(const fs::path& index)
    : name_(index.stem().string()),
      directory_(index.parent_path()),
      index_(std::make_unique<MappedFile>(index)) {}

CacheShard::CacheShard(std::string name, const fs::path& directory)
    : name_(std::move(name)), directory_(directory) {}

uint32_t CacheShard::size() const {
  if (!index_) return static_cast<uint32_t>(written_.size());
  if (index_->size() < kHeader || std::memcmp(index_->data(), kMagic, sizeof kMagic) != 0) return 0;
  return static_cast<uint32_t>((index_->size() - kHeader) / sizeof(CacheRecord));
}

const CacheRecord& CacheShard::record(uint32_t index) const {
  if (!index_) return written_[index];
  return reinterpret_cast<const CacheRecord*>(index_->data() + kHeader)[index];
}

uint64_t CacheShard::file_bytes() const {
  std::error_code error;
  const uint64_t data = fs::file_size(data_path(), error);
  return (error ? 0 : data) + kHeader + uint64_t{size()} * sizeof(CacheRecord);
}

bool CacheShard::in_bounds(uint32_t index) const {
  const CacheRecord& r = record(index);
  const std::shared_ptr<const MappedFile> data = mapped_data(r.offset + r.length);
  return data && r.offset <= data->size() && r.length <= data->size() - r.offset;
}

std::string CacheShard::value(uint32_t index) const {
  const CacheRecord& r = record(index);
  const std::shared_ptr<const MappedFile> data = mapped_data(r.offset + r.length);
  std::string value(reinterpret_cast<const char*>(data->data()) + r.offset, r.length);
  if (r.length >= kLargeValue) {
    release(*data, r.offset, r.offset + r.length);
  } else if (read_since_release_.fetch_add(r.length) >= kReadBeforeRelease) {
    read_since_release_ = 0;
    release(*data, 0, data->size());
  }
  return value;
}

void CacheShard::release_index() const {
  if (index_ && index_->size() > 0) release(*index_, 0, index_->size());
}

/// Null if there is no such file. Maps the file again if it has grown.
std::shared_ptr<const MappedFile> CacheShard::mapped_data(uint64_t end) const {
  const std::lock_guard lock(mutex_);
  if (!data_ || (!index_ && data_->size() < end)) {
    std::error_code error;
    if (!fs::exists(data_path(), error)) return nullptr;
    data_ = std::make_shared<MappedFile>(data_path());
  }
  return data_;
}

CacheShardWriter::CacheShardWriter(const fs::path& directory)
    : name_(unused_name()),
      data_path_(directory / (name_ + ".data")),
      index_path_(directory / (name_ + ".index")),
      data_(data_path_, O_WRONLY | O_CREAT | O_EXCL, "write"),
      index_(index_path_, O_WRONLY | O_CREAT | O_EXCL, "write"),
      flushed_(std::chrono::steady_clock::now()) {
  std::string header(kHeader, '\0');
  std::memcpy(header.data(), kMagic, sizeof kMagic);
  write_all(data_.get(), header, data_path_, kHeader);
  write_all(index_.get(), header, index_path_, kHeader);
  position_ = kHeader;
  sync_path(directory);
}

CacheRecord CacheShardWriter::append(const CacheKey& key, std::string_view value) {
  CacheRecord record{key, position_, value.size(), crc32c(value), {0, 0}, 0};
  record.record_checksum = record.expected_checksum();
  write_all(data_.get(), value, data_path_, value.size());
  const uint64_t padding = (kCacheAlignment - value.size() % kCacheAlignment) % kCacheAlignment;
  write_all(data_.get(), std::string(padding, '\0'), data_path_, padding);
  position_ += value.size() + padding;
  unflushed_ += value.size();
  records_.append(reinterpret_cast<const char*>(&record), sizeof record);
  return record;
}

void CacheShardWriter::flush() {
  if (!records_.empty()) {
    sync_data(data_.get(), data_path_);
    write_all(index_.get(), records_, index_path_, records_.size());
    sync_data(index_.get(), index_path_);
    records_.clear();
  }
  unflushed_ = 0;
  flushed_ = std::chrono::steady_clock::now();
}

bool CacheShardWriter::wants_flush() const {
  return unflushed_ >= kFlushBytes || std::chrono::steady_clock::now() - flushed_ >= kFlushInterval;
}

bool CacheShardWriter::full() const { return position_ >= kFullShard; }

}  // namespace sdxl
