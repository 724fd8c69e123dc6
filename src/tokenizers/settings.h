// What a tokenizer's directory says besides its vocabulary: special and added tokens, lengths,
// sides. The order in which transformers 5.17 lets tokenizer_config.json, special_tokens_map.json,
// added_tokens.json and tokenizer.json speak is kept (PreTrainedTokenizerBase._from_pretrained).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "tokenizers/added_tokens.h"

namespace sdxl {

struct TokenizerSettings {
  std::string tokenizer_class;  ///< As tokenizer_config.json names it; "" if it doesn't.
  Json config;                  ///< tokenizer_config.json; an empty object if there is none.
  std::string source;           ///< Its path, for errors.

  /// "bos_token" and its like with their text; none for what the files leave out.
  std::map<std::string, std::string> named;
  /// Every added token in the order in which transformers adds them.
  std::vector<AddedToken> added;

  int64_t model_max_length = 0;
  bool pad_left = false, truncate_left = false;
  bool split_special_tokens = false;
};

/// What a tokenizer's class brings along.
struct ClassTokens {
  std::map<std::string, std::string> named;  ///< Special tokens where the files name none.
  /// Special tokens where tokenizer_config.json lists none (extra_special_tokens).
  std::vector<AddedToken> extra = {};
  /// Whether `extra` also takes the place of what special_tokens_map.json lists.
  bool extra_replaces = false;
};

/// Reads the settings of `directory`. `tokenizer_json` is that file's content without vocabulary
/// and merges, null if there is none.
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& directory,
                                          const ClassTokens& class_tokens,
                                          const Json& tokenizer_json);

/// The id of "eos_token" and its like; Error(kBadData) if the files say that there is none.
int64_t id_of_named_token(const TokenizerSettings& settings, const AddedTokens& added,
                          const std::string& name);

}  // namespace sdxl
