#include "data/cache/latent_cache.h"

#include "data/cache/tensor_pack.h"
#include "io/images/resize.h"

namespace sdxl {

LatentCache::LatentCache(const fs::path& cache_directory, const Json& encoder, ResizeFilter filter,
                         at::ScalarType dtype)
    : dtype_(dtype),
      store_(cache_directory, Json{{"kind", "latents"},
                                   {"version", 1},
                                   {"holds", "moments of the VAE"},
                                   {"encoder", encoder},
                                   {"filter", static_cast<int>(filter)},
                                   {"dtype", c10::toString(dtype)}}) {}

CacheKey LatentCache::key(const PictureInfo& picture, const TransformPlan& plan) {
  const auto pair = [](int64_t a, int64_t b) {
    return static_cast<uint64_t>(a) << 32 | static_cast<uint64_t>(b);
  };
  return picture.content.with({pair(plan.resized.height, plan.resized.width),
                               pair(plan.target.height, plan.target.width),
                               pair(plan.crop_top, plan.crop_left), plan.flipped ? 1u : 0u});
}

at::Tensor LatentCache::moments(const CacheKey& key) const {
  std::optional<std::string> value = store_.read(key);
  if (!value) return {};
  return unpack_tensors(std::move(*value), store_.directory().string()).front();
}

void LatentCache::put(const CacheKey& key, const at::Tensor& moments) {
  store_.put(key, pack_tensors({moments.to(at::kCPU, dtype_)}));
}

}  // namespace sdxl
