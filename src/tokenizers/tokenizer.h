// Tokenizers of SDXL's text encoders: they give the ids that transformers 5.17 gives for the same
// files.
//
// Text is UTF-8. Each part of it that is not (a maximal subpart, as the Unicode standard says) is
// read as U+FFFD, the way Python's errors="replace" reads a file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

struct TokenizedText {
  std::vector<int64_t> ids;      ///< Padded and truncated to model_max_length, with bos and eos.
  std::string truncated;         ///< The text of what fell off, decoded from its ids.
  int64_t truncated_tokens = 0;  ///< How many ids fell off.
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// May be called by several threads at once.
  virtual TokenizedText encode(std::string_view text) const = 0;
  virtual int64_t model_max_length() const = 0;
  virtual int64_t eos_token_id() const = 0;
};

/// From a directory with vocab.json + merges.txt or tokenizer.json (CLIP's BPE) or a SentencePiece
/// model, and tokenizer_config.json, special_tokens_map.json. Error(kBadData) names the file.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

}  // namespace sdxl
