#pragma once

#include "tokenizers/added_tokens.h"
#include "tokenizers/sentencepiece_model.h"
#include "tokenizers/settings.h"
#include "tokenizers/tokenizer.h"

namespace sdxl {

/// A T5 tokenizer's model, and what its files imply for the tokens beside it.
struct T5Files {
  std::string model_proto;  ///< Of model_proto.h.
  std::string source;       ///< The file that it comes from, for errors.
  Json tokenizer_json;      ///< Null without that file.
  int64_t extra_ids = 0;    ///< Number of tokens <extra_id_0>, <extra_id_1>, …
};

/// transformers' T5Tokenizer: special and added tokens are cut out of the text, libsentencepiece
/// encodes the stretches between them, and eos ends the ids; there is no bos.
///
/// The ids are those of transformers 5.17 except where SentencePiece itself segments otherwise:
/// white space that the model does not map to a space, decomposed characters, U+2581, the model's
/// user-defined symbols, and control symbols that no file lists as special
/// (tests/tokenizers/t5_tokenizer_test.cc, findings/t5_decomposed_text.sh).
class T5Tokenizer : public Tokenizer {
 public:
  /// `directory` holds tokenizer_config.json and tokenizer.json, tokenizer.model or spiece.model;
  /// the first of these is read, as transformers does. Error(kBadData) names the file.
  explicit T5Tokenizer(const std::filesystem::path& directory);

  TokenizedText encode(std::string_view text) const override;
  int64_t model_max_length() const override { return settings_.model_max_length; }
  int64_t eos_token_id() const override { return eos_; }

 private:
  T5Tokenizer(const std::filesystem::path& directory, const T5Files& files);

  std::string decode(const std::vector<int64_t>& ids) const;

  SentencePieceModel model_;
  Vocabulary vocabulary_;
  TokenizerSettings settings_;
  AddedTokens added_;
  int64_t eos_, pad_;
  bool clean_up_;
};

}  // namespace sdxl
