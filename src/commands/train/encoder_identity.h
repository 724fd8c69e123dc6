// What a cache knows an encoder by: hashes of its weights and vocabulary, its config, and the dtype
// that it computes in. Two encoders that give different values never have the same description.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "data/cache/cache_store.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class ModelIdentity {
 public:
  /// Hashes of large files are remembered in the cache directory by where the file lies and when it
  /// was last changed, so that each is read once.
  explicit ModelIdentity(const std::filesystem::path& cache_directory);

  Json vae(const std::filesystem::path& directory, const std::string& variant,
           at::ScalarType dtype);
  /// Both text encoders with their tokenizers.
  Json text_encoders(const PipelineDirectory& pipeline, const std::string& variant,
                     at::ScalarType dtype);
  /// The tokenizers alone.
  Json tokenizers(const PipelineDirectory& pipeline);

 private:
  std::string hash(const std::filesystem::path& file);
  /// Of names and contents of the files in it.
  std::string hash_of_folder(const std::filesystem::path& folder);
  Json weights(const std::filesystem::path& directory, const std::string& stem,
               const std::string& variant);

  CacheStore memory_;
};

}  // namespace sdxl
