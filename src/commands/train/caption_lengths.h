// Whether captions lose words past the text encoders' length, remembered from run to run.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "data/cache/cache_store.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class CaptionLengths {
 public:
  /// `pipeline` outlives the object. Without a directory nothing is remembered.
  CaptionLengths(const PipelineDirectory& pipeline,
                 const std::optional<std::filesystem::path>& cache_directory);

  /// Whether one of the tokenizers cuts the caption, whose key is `key`. May be called from several
  /// threads. The tokenizers are loaded when the first caption is not remembered.
  bool exceeds(const std::string& caption, const CacheKey& key);

 private:
  bool measure(const std::string& caption);

  const PipelineDirectory& pipeline_;
  std::unique_ptr<CacheStore> cache_;
  std::once_flag loading_;
  std::shared_ptr<const Tokenizer> tokenizer_, tokenizer_2_;
};

}  // namespace sdxl
