// A SentencePiece unigram tokenizer, equal to transformers 5.17's T5Tokenizer: pieces, then eos; no
// bos.
#pragma once

#include "tokenizers/added_tokens.h"
#include "tokenizers/character_map.h"
#include "tokenizers/settings.h"
#include "tokenizers/tokenizer.h"
#include "tokenizers/unigram.h"

namespace sdxl {

/// Where the pieces came from.
struct T5Files {
  std::vector<std::pair<std::string, double>> pieces;
  std::string precompiled_charsmap;
  std::string source;  ///< The file, for errors.
  ClassTokens class_tokens;
  Json tokenizer_json;
};

class T5Tokenizer : public Tokenizer {
 public:
  /// `directory` has tokenizer.json, or spiece.model or tokenizer.model, and tokenizer_config.json.
  /// transformers prefers the first where both are there, and so does this.
  explicit T5Tokenizer(const std::filesystem::path& directory);

  TokenizedText encode(std::string_view text) const override;
  int64_t model_max_length() const override { return settings_.model_max_length; }
  int64_t eos_token_id() const override { return eos_; }

 private:
  T5Tokenizer(const std::filesystem::path& directory, T5Files files);

  std::string decode(const std::vector<int64_t>& ids) const;

  TokenizerSettings settings_;
  CharacterMap characters_;
  UnigramModel model_;
  AddedTokens added_;
  int64_t eos_, pad_;
  bool clean_up_;
};

}  // namespace sdxl
