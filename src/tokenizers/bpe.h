// Byte-pair encoding: a word's symbols are merged pair by pair, the pair of the lowest rank first.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tokenizers/vocabulary.h"

namespace sdxl {

class BpeMerges {
 public:
  /// Pairs of tokens in order of their rank. Both and what they make together must be in
  /// `vocabulary`, else Error(kBadData) that names `source` and the pair.
  BpeMerges(const std::vector<std::pair<std::string, std::string>>& pairs,
            const Vocabulary& vocabulary, const std::string& source);

  /// Merges `symbols` (ids) in place, in O(n log n). Of equal ranks the leftmost goes first. The
  /// order is that of the tokenizers library's Word::merge_all, stale entries of its queue
  /// included.
  void apply(std::vector<int64_t>* symbols) const;

 private:
  struct Merge {
    uint64_t pair = kEmpty;
    uint32_t rank = 0, result = 0;
  };
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  const Merge* find(int64_t left, int64_t right) const;

  std::vector<Merge> table_;  // Open addressing; its size is a power of two.
};

}  // namespace sdxl
