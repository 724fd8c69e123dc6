#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tokenizers/vocabulary.h"

namespace sdxl {

/// The merges of a byte-pair encoding: a word's symbols are merged pair by pair, the pair of the
/// lowest rank first.
class BpeMerges {
 public:
  /// Takes pairs of tokens in order of rank. `vocabulary` must hold both tokens and their
  /// concatenation, else Error(kBadData) names `source` and the pair.
  BpeMerges(const std::vector<std::pair<std::string, std::string>>& pairs,
            const Vocabulary& vocabulary, const std::string& source);

  /// Merges `symbols` (ids) in place, in O(n log n); among equal ranks, the leftmost pair first.
  /// Follows the order of Word::merge_all of the tokenizers library, including the stale entries of
  /// its queue. May be called by several threads at once.
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
