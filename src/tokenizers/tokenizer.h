// Tokenizers of SDXL's text encoders.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sdxl {

struct TokenizedText {
  std::vector<int64_t> ids;  ///< Padded and truncated to model_max_length, with bos and eos.
  std::string truncated;     ///< The text of what fell off; empty if nothing did.
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual TokenizedText encode(std::string_view text) const = 0;
  virtual int64_t model_max_length() const = 0;
  virtual int64_t eos_token_id() const = 0;
};

/// From a directory with vocab.json + merges.txt or tokenizer.json (CLIP's BPE) or a SentencePiece
/// model, and tokenizer_config.json, special_tokens_map.json. Error(kBadData) names the file.
std::unique_ptr<Tokenizer> load_tokenizer(const std::filesystem::path& directory);

}  // namespace sdxl
