// The key of every caption of a data set, and whether the text encoders cut it. Each caption is
// read once, before any is encoded.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/cache/cache_store.h"
#include "data/dataset.h"

namespace sdxl {

struct CaptionInfo {
  CacheKey key;               ///< PromptCache's key.
  uint32_t row;               ///< Row of the data set.
  uint32_t number : 30;       ///< Index among the row's captions.
  uint32_t is_empty : 1;      ///< "", which trains the absent prompt.
  uint32_t is_truncated : 1;  ///< Longer than the text encoders read.
};

class CaptionTable {
 public:
  /// Whether the text encoders cut a caption, whose key is `key`. Must be thread-safe.
  using Truncates = std::function<bool(const std::string& caption, const CacheKey& key)>;

  /// Reads all captions on `threads` threads. Without `truncates` none counts as truncated. A row
  /// whose captions cannot be read is in failures().
  CaptionTable(const Dataset& dataset, const Truncates& truncates, int64_t threads);

  /// Ordered by row and number.
  const std::vector<CaptionInfo>& captions() const { return captions_; }
  /// The rows without a caption, in order; rows in failures() are not among them.
  const std::vector<int64_t>& rows_without() const { return rows_without_; }
  /// Why captions cannot be read, by row.
  const std::map<int64_t, std::string>& failures() const { return failures_; }

  /// The table of the data set that select_rows() makes of `rows`, which are in order.
  CaptionTable select(const std::vector<int64_t>& rows) const;

 private:
  CaptionTable() = default;

  std::vector<CaptionInfo> captions_;
  std::vector<int64_t> rows_without_;
  std::map<int64_t, std::string> failures_;
};

}  // namespace sdxl
