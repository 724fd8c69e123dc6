// Caches the VAE's moments of training pictures on disk. The key is what they depend on: the
// picture's bytes, the resized size, crop, flip, filter, encoder and dtype.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>

#include "base/json.h"
#include "data/cache/cache_store.h"
#include "data/picture_table.h"
#include "data/transform.h"
#include "io/images/resize.h"

namespace sdxl {

class LatentCache {
 public:
  /// `encoder` identifies the VAE: the hash of its weights and the dtype it computes in. Moments
  /// are stored in `dtype`.
  LatentCache(const std::filesystem::path& cache_directory, const Json& encoder,
              ResizeFilter filter, at::ScalarType dtype);

  static CacheKey key(const PictureInfo& picture, const TransformPlan& plan);
  bool contains(const CacheKey& key) const { return store_.contains(key); }
  /// Mean and log-variance, [2 * latent, h, w] on the CPU; undefined if they are not cached.
  at::Tensor moments(const CacheKey& key) const;
  /// Stores `moments` of any device and dtype.
  void put(const CacheKey& key, const at::Tensor& moments);

  at::ScalarType dtype() const { return dtype_; }
  CacheStore& store() { return store_; }

 private:
  at::ScalarType dtype_;
  CacheStore store_;
};

}  // namespace sdxl
