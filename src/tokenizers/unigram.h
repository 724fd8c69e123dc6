// A unigram language model: a word is cut into the pieces of the highest total score. After
// encode_optimized of the tokenizers library 0.23 (and SentencePiece's unigram_model.cc).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizers/byte_trie.h"
#include "tokenizers/vocabulary.h"

namespace sdxl {

class UnigramModel {
 public:
  /// Pieces with their scores, the index being the id. Error(kBadData) names `source`.
  UnigramModel(const std::vector<std::pair<std::string, double>>& pieces, int64_t unknown_id,
               const std::string& source);

  /// Appends the ids of `word` (valid UTF-8). Neighbouring unknown code points are one unknown
  /// piece.
  void encode(std::string_view word, std::vector<int64_t>* ids) const;

  const Vocabulary& vocabulary() const { return vocabulary_; }

 private:
  Vocabulary vocabulary_;
  std::vector<double> scores_;
  double unknown_score_ = 0;
  int64_t unknown_id_;
  ByteTrie trie_;
};

}  // namespace sdxl
