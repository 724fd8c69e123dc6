#pragma once

#include <array>
#include <mutex>
#include <unordered_map>

#include "tokenizers/added_tokens.h"
#include "tokenizers/bpe.h"
#include "tokenizers/bpe_files.h"
#include "tokenizers/settings.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

/// transformers 5.17's CLIPTokenizer: byte-level BPE on normalised words, between bos and eos.
class ClipTokenizer : public Tokenizer {
 public:
  /// `directory` holds the files of bpe_files.h and tokenizer_config.json. Error(kBadData) names
  /// the file.
  explicit ClipTokenizer(const std::filesystem::path& directory);

  TokenizedText encode(std::string_view text) const override;
  int64_t model_max_length() const override { return settings_.model_max_length; }
  int64_t eos_token_id() const override { return eos_; }

  /// The text that transformers' decode gives for `ids`.
  std::string decode(const std::vector<int64_t>& ids) const;

 private:
  ClipTokenizer(const std::filesystem::path& directory, BpeFiles files);

  void append_word(std::string_view word, std::vector<int64_t>* ids) const;

  TokenizerSettings settings_;
  Vocabulary vocabulary_;
  BpeMerges merges_;
  AddedTokens added_;
  int64_t bos_, eos_, pad_;
  std::array<int64_t, 256> byte_ids_;       ///< By byte.
  std::array<int64_t, 256> last_byte_ids_;  ///< The same for the last byte of a word.

  mutable std::mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;  ///< Ids by word.
};

}  // namespace sdxl
