#include "data/picture_table.h"

#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/progress.h"
#include "data/parallel_rows.h"
#include "io/decode.h"

namespace sdxl {
namespace {

constexpr size_t kHead = size_t{64} << 10;

/// The cache's key of a picture that was decoded, or of which only the header was read.
CacheKey key_of_stamp(const std::string& stamp, bool decoded) {
  CacheKey key{{1, 2, 3, 4}};
  for (size_t i = 0; i < stamp.size(); i += 8) {
    uint64_t word = 0;
    std::memcpy(&word, stamp.data() + i, std::min<size_t>(8, stamp.size() - i));
    key = key.with({word});
  }
  return decoded ? key.with({1}) : key;
}

PictureInfo info_of(std::pair<int64_t, int64_t> size, const CacheKey& content) {
  return {content, static_cast<uint32_t>(size.first), static_cast<uint32_t>(size.second)};
}

/// Reads the first bytes, or all of them if the header is longer.
PictureInfo info_from_head(const Dataset& dataset, int64_t row) {
  const std::string head = dataset.image_head(row, kHead);
  try {
    return info_of(image_size(head, dataset.name(row)), {});
  } catch (const Error&) {
    if (head.size() < kHead) throw;
    return info_of(image_size(dataset.image_bytes(row), dataset.name(row)), {});
  }
}

bool recall(const CacheStore& cache, const CacheKey& key, PictureInfo* info) {
  const std::optional<std::string> known = cache.read(key);
  if (!known || known->size() != sizeof *info) return false;
  std::memcpy(info, known->data(), sizeof *info);
  return true;
}

PictureInfo info_from_content(const Dataset& dataset, int64_t row, bool hash, bool decode) {
  const std::string bytes = dataset.image_bytes(row);
  const CacheKey content = hash ? CacheKey::of(bytes) : CacheKey{};
  if (!decode) return info_of(image_size(bytes, dataset.name(row)), content);
  const Image image = decode_image(bytes, dataset.name(row));
  return info_of({image.height, image.width}, content);
}

}  // namespace

PictureTable::PictureTable(const Dataset& dataset, CacheStore* cache, bool decode, int64_t threads)
    : has_content_(cache != nullptr), infos_(dataset.size()) {
  Progress progress("reading pictures", dataset.size(), "picture");
  std::mutex mutex;
  const auto read = [&](int64_t row) {
    try {
      infos_[row] = cache || decode ? info_from_content(dataset, row, cache != nullptr, decode)
                                    : info_from_head(dataset, row);
      return true;
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      failures_[row] = error.what();
      return false;
    }
  };
  for_rows_in_parallel(dataset.size(), threads, "reading the pictures", [&](int64_t row) {
    const std::string stamp = cache ? dataset.stamp(row) : "";
    const CacheKey key = key_of_stamp(stamp, decode);
    const bool known = !stamp.empty() && recall(*cache, key, &infos_[row]);
    if (!known && read(row) && !stamp.empty()) {
      cache->put(key, {reinterpret_cast<const char*>(&infos_[row]), sizeof(PictureInfo)});
    }
    progress.advance();
  });
  if (cache) cache->flush();
}

PictureTable PictureTable::select(const std::vector<int64_t>& rows) const {
  PictureTable selected;
  selected.has_content_ = has_content_;
  for (size_t i = 0; i < rows.size(); ++i) {
    selected.infos_.push_back(infos_[rows[i]]);
    const auto failure = failures_.find(rows[i]);
    if (failure != failures_.end()) selected.failures_[i] = failure->second;
  }
  return selected;
}

std::unique_ptr<CacheStore> PictureTable::open_cache(const fs::path& cache_directory) {
  return std::make_unique<CacheStore>(
      cache_directory,
      Json{
          {"kind", "pictures"}, {"version", 1}, {"holds", "size and SHA-256 of pictures by file"}});
}

}  // namespace sdxl
