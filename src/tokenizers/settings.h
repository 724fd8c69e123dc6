// A tokenizer's settings besides its vocabulary: special and added tokens, lengths, sides.
// tokenizer_config.json, special_tokens_map.json, added_tokens.json and tokenizer.json take
// precedence as in PreTrainedTokenizerBase._from_pretrained of transformers 5.17.
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
  Json config;                  ///< tokenizer_config.json; an empty object without that file.
  std::string source;           ///< Its path, for errors.

  /// Texts of "bos_token", "eos_token" and so on, as far as the files give them.
  std::map<std::string, std::string> named;
  /// Every added token in the order in which transformers adds them.
  std::vector<AddedToken> added;

  int64_t model_max_length = 0;  ///< In tokens.
  bool pad_left = false, truncate_left = false;
  bool split_special_tokens = false;
};

/// The defaults of a tokenizer's class.
struct ClassTokens {
  std::map<std::string, std::string> named;  ///< Where the files name no such token.
  /// Special tokens, unless tokenizer_config.json lists extra_special_tokens.
  std::vector<AddedToken> extra = {};
  /// Whether `extra` also replaces the ones that special_tokens_map.json lists.
  bool extra_replaces = false;
};

/// Reads the settings of `directory`. `tokenizer_json` is that file without vocabulary and merges,
/// or null. Error(kBadData) names the file and the key.
TokenizerSettings read_tokenizer_settings(const std::filesystem::path& directory,
                                          const ClassTokens& class_tokens,
                                          const Json& tokenizer_json);

/// The id of the token that `name`, such as "eos_token", names; Error(kBadData) if a file sets it
/// to null.
int64_t id_of_named_token(const TokenizerSettings& settings, const AddedTokens& added,
                          const std::string& name);

}  // namespace sdxl
