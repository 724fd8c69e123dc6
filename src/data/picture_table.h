// The size and the content hash of every picture of a data set, known before any is decoded. A
// cache keeps them by the files' stamps, so that later runs read changed pictures only.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "data/cache/cache_store.h"
#include "data/dataset.h"
#include "data/transform.h"

namespace sdxl {

struct PictureInfo {
  CacheKey content;                ///< SHA-256 of the encoded bytes; zeros without a cache.
  uint32_t height = 0, width = 0;  ///< Upright, in pixels; 0 if the picture cannot be read.

  PixelSize size() const { return {height, width}; }
  bool readable() const { return height > 0; }
};

class PictureTable {
 public:
  /// Reads every picture's header on `threads` threads, or with `cache` the whole picture; with
  /// `decode` decodes it too. The cache spares this for pictures whose stamp it knows; it may be
  /// null and is not kept. A picture that cannot be read is in failures().
  PictureTable(const Dataset& dataset, CacheStore* cache, bool decode, int64_t threads);

  int64_t size() const { return static_cast<int64_t>(infos_.size()); }
  /// Whether content hashes are known, as they are with a cache.
  bool has_content() const { return has_content_; }
  const PictureInfo& operator[](int64_t row) const { return infos_[row]; }
  /// Why pictures cannot be read, by row.
  const std::map<int64_t, std::string>& failures() const { return failures_; }

  /// The table of the data set that select_rows() makes of `rows`.
  PictureTable select(const std::vector<int64_t>& rows) const;

  /// The cache of picture tables in the run's cache directory.
  static std::unique_ptr<CacheStore> open_cache(const std::filesystem::path& cache_directory);

 private:
  PictureTable() = default;

  bool has_content_ = false;
  std::vector<PictureInfo> infos_;
  std::map<int64_t, std::string> failures_;
};

}  // namespace sdxl
