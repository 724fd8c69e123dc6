// Caches prompt embeddings on disk. The key is the caption's text, the encoders and the dtype.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/cache/cache_store.h"
#include "data/prompt_embeds.h"

namespace sdxl {

class PromptCache {
 public:
  /// `encoders` identifies both text encoders and tokenizers: hashes of weights and vocabularies,
  /// and the dtype they compute in. Embeddings are stored in `dtype`.
  PromptCache(const std::filesystem::path& cache_directory, const Json& encoders,
              at::ScalarType dtype);

  static CacheKey key(const std::string& caption) { return CacheKey::of(caption); }
  bool contains(const CacheKey& key) const { return store_.contains(key); }
  /// [S, D] and [P] on the CPU; undefined if they are not cached.
  PromptEmbeds embedding(const CacheKey& key) const;
  void put(const CacheKey& key, const PromptEmbeds& embedding);

  at::ScalarType dtype() const { return dtype_; }
  CacheStore& store() { return store_; }

 private:
  at::ScalarType dtype_;
  CacheStore store_;
};

}  // namespace sdxl
