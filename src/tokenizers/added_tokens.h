// Tokens that are found in a text as they stand, before a model sees the rest: bos, eos, pad and
// what a tokenizer's files add. After the AddedVocabulary of the tokenizers library 0.23.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizers/byte_trie.h"
#include "tokenizers/vocabulary.h"

namespace sdxl {

struct AddedToken {
  std::string content;
  bool lstrip = false, rstrip = false;  ///< Takes the white space on that side with it.
  bool normalized = false;  ///< Found in the normalised text, by its own normalised form.
  bool special = false;

  bool operator==(const AddedToken&) const = default;
};

/// A stretch of text: a token if `id` is not negative.
struct TextPiece {
  std::string text;
  int64_t id = -1;
};

class AddedTokens {
 public:
  using Normalizer = std::function<std::string(std::string_view)>;

  /// In the order in which they are added; a later entry replaces an earlier one of the same
  /// content. One that `vocabulary` has keeps its id there, others follow its end. With
  /// `split_special` special tokens are not looked for. `source` names the files in errors.
  AddedTokens(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
              Normalizer normalizer, bool split_special, const std::string& source);

  /// Of an added token, else of the vocabulary's.
  std::optional<int64_t> find(std::string_view content) const;
  /// What decoding shows for an added token; null for other ids.
  const std::string* shown(int64_t id) const;

  /// `text` (valid UTF-8) cut at the added tokens; what lies between them is normalised.
  std::vector<TextPiece> split(std::string_view text) const;

 private:
  void find_in(const ByteTrie& trie, std::string_view text, std::vector<TextPiece>* pieces) const;

  const Vocabulary& vocabulary_;
  Normalizer normalizer_;
  bool split_special_;
  std::unordered_map<int64_t, AddedToken> tokens_;
  std::unordered_map<std::string, int64_t> ids_;
  std::unordered_map<int64_t, std::string> shown_;
  ByteTrie raw_, normalized_;
};

}  // namespace sdxl
