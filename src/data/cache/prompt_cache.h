// Prompt embeddings on disk: keyed by the caption's text, the encoders and the dtype.
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
  /// `encoders` describes both text encoders and tokenizers so that no others have the same
  /// description: hashes of weights and vocabularies, and the dtype that they compute in.
  PromptCache(const std::filesystem::path& cache_directory, const Json& encoders,
              at::ScalarType dtype);

  static CacheKey key(const std::string& caption) { return CacheKey::of(caption); }
  bool contains(const CacheKey& key) const { return store_.contains(key); }
  /// On the CPU; undefined tensors where there is none.
  PromptEmbeds embedding(const CacheKey& key) const;
  void put(const CacheKey& key, const PromptEmbeds& embedding);

  at::ScalarType dtype() const { return dtype_; }
  CacheStore& store() { return store_; }

 private:
  at::ScalarType dtype_;
  CacheStore store_;
};

}  // namespace sdxl
