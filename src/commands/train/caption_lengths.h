// Tells which captions exceed the text encoders' length; the answers are cached on disk.
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
  /// `pipeline` outlives the object. Nothing is cached without a directory.
  CaptionLengths(const PipelineDirectory& pipeline,
                 const std::optional<std::filesystem::path>& cache_directory);

  /// Whether a tokenizer truncates the caption, which the cache knows by `key`. Safe to call from
  /// several threads. Loads the tokenizers when the first caption is not in the cache.
  bool exceeds(const std::string& caption, const CacheKey& key);

 private:
  bool measure(const std::string& caption);

  const PipelineDirectory& pipeline_;
  std::unique_ptr<CacheStore> cache_;
  std::once_flag loading_;
  std::shared_ptr<const Tokenizer> tokenizer_, tokenizer_2_;
};

}  // namespace sdxl
