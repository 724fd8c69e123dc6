// CLIP's tokenizer: byte-level BPE on normalised words, equal to transformers 5.17's CLIPTokenizer.
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

class ClipTokenizer : public Tokenizer {
 public:
  /// `directory` has the files of bpe_files.h and tokenizer_config.json.
  explicit ClipTokenizer(const std::filesystem::path& directory);

  TokenizedText encode(std::string_view text) const override;
  int64_t model_max_length() const override { return settings_.model_max_length; }
  int64_t eos_token_id() const override { return eos_; }

  /// The text of ids, as transformers' decode gives it.
  std::string decode(const std::vector<int64_t>& ids) const;

 private:
  ClipTokenizer(const std::filesystem::path& directory, BpeFiles files);

  void append_word(std::string_view word, std::vector<int64_t>* ids) const;

  TokenizerSettings settings_;
  Vocabulary vocabulary_;
  BpeMerges merges_;
  AddedTokens added_;
  int64_t bos_, eos_, pad_;
  std::array<int64_t, 256> byte_ids_, last_byte_ids_;  // The second of a word's last byte.

  mutable std::mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<int64_t>> cache_;  // Of words.
};

}  // namespace sdxl
