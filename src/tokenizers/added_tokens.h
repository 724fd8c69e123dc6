// Tokens that are found in a text as they stand, before a model sees the rest: bos, eos, pad and
// what a tokenizer's files add. After AddedVocabulary of the tokenizers library 0.23.
#pragma once

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizers/vocabulary.h"

namespace sdxl {

struct AddedToken {
  std::string content;
  bool lstrip = false, rstrip = false;  ///< Takes the white space on that side with it.
  bool normalized = false;              ///< Looked for in normalised text, in its normalised form.
  bool special = false;

  bool operator==(const AddedToken&) const = default;
};

/// A stretch of text, or a token if `id` is not negative.
struct TextPiece {
  std::string text;
  int64_t id = -1;
};

/// Texts with ids, looked up where another text begins with them.
class Patterns {
 public:
  /// `pattern` is not empty. Returns false and adds nothing if it is there already.
  bool add(const std::string& pattern, int64_t id);

  struct Match {
    int64_t id = -1;  ///< -1 if no pattern begins the text.
    size_t length = 0;
  };
  /// The longest pattern that `text` begins with.
  Match longest_prefix(std::string_view text) const;

 private:
  std::map<std::string, int64_t, std::less<>> ids_;
  std::set<size_t, std::greater<>> lengths_;
  std::bitset<256> first_bytes_;
};

class AddedTokens {
 public:
  using Normalizer = std::function<std::string(std::string_view)>;

  /// Adds `tokens` in order; a later entry replaces an earlier one of the same content. A token
  /// that `vocabulary` has keeps its id there, the others get ids from vocabulary.size() on. With
  /// `split_special`, special tokens are not looked for in texts. `vocabulary` must outlive the
  /// object. Error(kBadData) names `source` if two tokens look the same in a text.
  AddedTokens(const std::vector<AddedToken>& tokens, const Vocabulary& vocabulary,
              Normalizer normalizer, bool split_special, const std::string& source);

  /// The id of an added token, else of a token of the vocabulary.
  std::optional<int64_t> find(std::string_view content) const;
  /// The text that decoding shows for an added token; null for other ids.
  const std::string* shown(int64_t id) const;

  /// Cuts `text` (valid UTF-8) at the added tokens and normalises what lies between them.
  std::vector<TextPiece> split(std::string_view text) const;

 private:
  void find_in(const Patterns& patterns, std::string_view text,
               std::vector<TextPiece>* pieces) const;

  const Vocabulary& vocabulary_;
  Normalizer normalizer_;
  bool split_special_;
  std::unordered_map<int64_t, AddedToken> tokens_;
  std::unordered_map<std::string, int64_t> ids_;
  std::unordered_map<int64_t, std::string> shown_;
  Patterns raw_, normalized_;
};

}  // namespace sdxl
