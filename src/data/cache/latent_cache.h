// The VAE's moments of training pictures on disk: keyed by the picture's bytes, the size that it is
// resized to, the crop and flip, the filter, the encoder and the dtype, and by nothing else.
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

namespace sdxl {

class LatentCache {
 public:
  /// `encoder` describes what encodes so that no other has the same description: the hash of its
  /// weights and the dtype that it computes in. Moments are kept in `dtype`.
  LatentCache(const std::filesystem::path& cache_directory, const Json& encoder,
              ResizeFilter filter, at::ScalarType dtype);

  static CacheKey key(const PictureInfo& picture, const TransformPlan& plan);
  bool contains(const CacheKey& key) const { return store_.contains(key); }
  /// [2 * latent, h, w] on the CPU: mean, then log-variance; undefined where there are none.
  at::Tensor moments(const CacheKey& key) const;
  /// `moments` of any device and dtype.
  void put(const CacheKey& key, const at::Tensor& moments);

  at::ScalarType dtype() const { return dtype_; }
  CacheStore& store() { return store_; }

 private:
  at::ScalarType dtype_;
  CacheStore store_;
};

}  // namespace sdxl
