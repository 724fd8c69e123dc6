// What is known of every picture of a data set before any is decoded: its size, and what its
// content is. Remembered from run to run by the files' stamps, so that unchanged pictures are not
// read again.
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
  CacheKey content;  ///< SHA-256 of the encoded bytes; zeros where it was not asked for.
  uint32_t height = 0, width = 0;  ///< After EXIF orientation; 0 where the picture cannot be read.

  PixelSize size() const { return {height, width}; }
  bool readable() const { return height > 0; }
};

class PictureTable {
 public:
  /// Looks at every picture's header, and with `memory` at its whole content, unless `memory` knows
  /// it by its stamp.
  PictureTable(const Dataset& dataset, CacheStore* memory, int64_t threads);

  int64_t size() const { return static_cast<int64_t>(infos_.size()); }
  /// Whether contents are known (opened with a memory).
  bool has_content() const { return has_content_; }
  const PictureInfo& operator[](int64_t row) const { return infos_[row]; }
  /// Why pictures that are not readable are not, by row.
  const std::map<int64_t, std::string>& failures() const { return failures_; }

  /// The table of `rows` alone, in this order.
  PictureTable select(const std::vector<int64_t>& rows) const;

  /// The memory of a cache directory.
  static std::unique_ptr<CacheStore> open_memory(const std::filesystem::path& cache_directory);

 private:
  PictureTable() = default;

  bool has_content_ = false;
  std::vector<PictureInfo> infos_;
  std::map<int64_t, std::string> failures_;
};

}  // namespace sdxl
