#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace sdxl {

/// A byte-pair vocabulary as a directory's files give it.
struct BpeFiles {
  std::vector<std::pair<std::string, int64_t>> tokens;      ///< With their ids.
  std::vector<std::pair<std::string, std::string>> merges;  ///< In order of rank.
  std::string tokens_source, merges_source;                 ///< Paths, for errors.
  /// tokenizer.json without its vocabulary and merges; null without that file.
  Json tokenizer_json;
};

/// Reads a tokenizer.json. Accepts one without a byte-pair vocabulary too, and leaves the pieces of
/// a unigram model in `tokenizer_json`. Error(kBadData) names the file.
BpeFiles read_tokenizer_json(const std::filesystem::path& path);

/// Reads tokenizer.json, or vocab.json and merges.txt where it is missing, as transformers does.
/// Error(kBadData) names the file and, in merges.txt, the line.
BpeFiles read_bpe_files(const std::filesystem::path& directory);

}  // namespace sdxl
