// What is known of every caption of a data set before any is encoded: the key of its embedding in
// the cache, and whether it loses words past the model's length. Texts are read once for both.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/cache/cache_store.h"
#include "data/dataset.h"

namespace sdxl {

struct CaptionInfo {
  CacheKey key;               ///< PromptCache's.
  uint32_t row;               ///< Of the data set.
  uint32_t number : 31;       ///< Among the captions of the row.
  uint32_t is_truncated : 1;  ///< Whether it loses words.
};

class CaptionTable {
 public:
  /// Whether a caption, whose key is `key`, loses words. Called by several threads.
  using Truncates = std::function<bool(const std::string& caption, const CacheKey& key)>;

  /// Looks at all captions; without `truncates` none counts as truncated.
  CaptionTable(const Dataset& dataset, const Truncates& truncates, int64_t threads);

  /// By row and number.
  const std::vector<CaptionInfo>& captions() const { return captions_; }
  /// The rows that have none, in order.
  const std::vector<int64_t>& rows_without() const { return rows_without_; }

  /// The table of `rows` alone, which are in order.
  CaptionTable select(const std::vector<int64_t>& rows) const;

 private:
  CaptionTable() = default;

  std::vector<CaptionInfo> captions_;
  std::vector<int64_t> rows_without_;
};

}  // namespace sdxl
