// Tokenizers of SDXL's text encoders. They give the ids that transformers 5.17 gives for the same
// files; t5_tokenizer.h names the texts for which SentencePiece models differ.
//
// Text is UTF-8. Each maximal subpart of an invalid sequence (Unicode, section 3.9) is read as
// U+FFFD, as Python's errors="replace" reads it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

struct TokenizedText {
  std::vector<int64_t> ids;      ///< With bos and eos, truncated and padded to model_max_length.
  std::string truncated;         ///< The text of the ids that were cut off; "" if none were.
  int64_t truncated_tokens = 0;  ///< Number of ids that were cut off.
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  /// May be called by several threads at once.
  virtual TokenizedText encode(std::string_view text) const = 0;
  virtual int64_t model_max_length() const = 0;
  virtual int64_t eos_token_id() const = 0;
};

/// Loads the tokenizer of a directory with tokenizer_config.json and either tokenizer.json, or
/// vocab.json and merges.txt (CLIPTokenizer), or a SentencePiece model (T5Tokenizer).
/// Error(kBadData) names the file.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

}  // namespace sdxl
