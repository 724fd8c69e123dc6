// Reads a byte-pair vocabulary: vocab.json and merges.txt, or both out of tokenizer.json.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace sdxl {

struct BpeFiles {
  std::vector<std::pair<std::string, int64_t>> tokens;
  std::vector<std::pair<std::string, std::string>> merges;  ///< In order of rank.
  std::string tokens_source, merges_source;                 ///< Paths, for errors.
  Json tokenizer_json;  ///< tokenizer.json without its vocabulary and merges; null without that
                        ///< file.
};

/// tokenizer.json alone. Unlike the function below it takes one without a byte-pair vocabulary,
/// whose pieces stay in the document.
BpeFiles read_tokenizer_json(const std::filesystem::path& path);

/// tokenizer.json is preferred where both are there, as transformers does. Error(kBadData) names
/// the file and, in merges.txt, the line.
BpeFiles read_bpe_files(const std::filesystem::path& directory);

}  // namespace sdxl
