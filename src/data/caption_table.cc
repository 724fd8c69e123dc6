#include "data/caption_table.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "data/cache/prompt_cache.h"
#include "data/parallel_rows.h"

namespace sdxl {
namespace {

constexpr uint32_t kNoRow = std::numeric_limits<uint32_t>::max();

}  // namespace

CaptionTable::CaptionTable(const Dataset& dataset, const Truncates& truncates, int64_t threads) {
  const auto info_of = [&](const std::string& caption, int64_t row, size_t number) {
    CaptionInfo info{PromptCache::key(caption), static_cast<uint32_t>(row),
                     static_cast<uint32_t>(number), caption.empty(), 0};
    info.is_truncated = truncates && truncates(caption, info.key);
    return info;
  };

  // 1. Each row has a place for its first caption; further ones are collected.
  captions_.resize(static_cast<size_t>(dataset.size()), {{}, kNoRow, 0, 0, 0});
  std::mutex mutex;
  std::vector<CaptionInfo> further;
  for_rows_in_parallel(dataset.size(), threads, "reading the captions", [&](int64_t row) {
    std::vector<std::string> texts;
    try {
      texts = dataset.captions(row);
    } catch (const Error& error) {
      const std::lock_guard lock(mutex);
      failures_[row] = error.what();
    }
    if (!texts.empty()) captions_[row] = info_of(texts.front(), row, 0);
    for (size_t i = 1; i < texts.size(); ++i) {
      const CaptionInfo info = info_of(texts[i], row, i);
      const std::lock_guard lock(mutex);
      further.push_back(info);
    }
  });

  // 2. Put all in order.
  for (size_t row = 0; row < captions_.size(); ++row) {
    if (captions_[row].row == kNoRow && !failures_.contains(static_cast<int64_t>(row))) {
      rows_without_.push_back(static_cast<int64_t>(row));
    }
  }
  std::erase_if(captions_, [](const CaptionInfo& caption) { return caption.row == kNoRow; });
  if (further.empty()) return;
  captions_.insert(captions_.end(), further.begin(), further.end());
  std::sort(captions_.begin(), captions_.end(), [](const CaptionInfo& a, const CaptionInfo& b) {
    return std::pair(a.row, a.number + 0u) < std::pair(b.row, b.number + 0u);
  });
}

CaptionTable CaptionTable::select(const std::vector<int64_t>& rows) const {
  CaptionTable selected;
  auto caption = captions_.begin();
  for (size_t i = 0; i < rows.size(); ++i) {
    while (caption != captions_.end() && caption->row < rows[i]) ++caption;
    const auto first = caption;
    for (; caption != captions_.end() && caption->row == rows[i]; ++caption) {
      selected.captions_.push_back(*caption);
      selected.captions_.back().row = static_cast<uint32_t>(i);
    }
    const auto failure = failures_.find(rows[i]);
    if (failure != failures_.end()) {
      selected.failures_[static_cast<int64_t>(i)] = failure->second;
    } else if (caption == first) {
      selected.rows_without_.push_back(static_cast<int64_t>(i));
    }
  }
  return selected;
}

}  // namespace sdxl
