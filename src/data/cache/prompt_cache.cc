#include "data/cache/prompt_cache.h"

#include "base/error.h"
#include "base/text.h"
#include "data/cache/tensor_pack.h"

namespace sdxl {

PromptCache::PromptCache(const fs::path& cache_directory, const Json& encoders,
                         at::ScalarType dtype)
    : dtype_(dtype),
      store_(cache_directory, Json{{"kind", "prompts"},
                                   {"version", 1},
                                   {"holds", "hidden states and pooled vectors of captions"},
                                   {"encoders", encoders},
                                   {"dtype", c10::toString(dtype)}}) {}

PromptEmbeds PromptCache::embedding(const CacheKey& key) const {
  std::optional<std::string> value = store_.read(key);
  if (!value) return {};
  const std::string source = store_.directory().string();
  const std::vector<at::Tensor> tensors = unpack_tensors(std::move(*value), source);
  if (tensors.size() != 2) {
    throw Error(
        ExitStatus::kBadData,
        quoted(source) +
            " holds a value that is not an embedding; `sdxl cache check` verifies the rest");
  }
  return {tensors[0], tensors[1]};
}

void PromptCache::put(const CacheKey& key, const PromptEmbeds& embedding) {
  store_.put(key, pack_tensors({embedding.prompt_embeds.to(at::kCPU, dtype_),
                                embedding.pooled_prompt_embeds.to(at::kCPU, dtype_)}));
}

}  // namespace sdxl
