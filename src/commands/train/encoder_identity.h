// Describes an encoder for a cache's key: hashes of its weights and vocabulary, its config, and the
// dtype of its arithmetic. Encoders that give different values have different descriptions.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <memory>
#include <string>

#include "base/json.h"
#include "data/cache/cache_store.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class EncoderIdentity {
 public:
  /// Keeps the hashes of files in the cache directory, keyed by path and time of change, so that
  /// each file is read once.
  explicit EncoderIdentity(const std::filesystem::path& cache_directory);

  Json vae(const std::filesystem::path& directory, const std::string& variant,
           at::ScalarType dtype);
  /// Both text encoders with their tokenizers.
  Json text_encoders(const PipelineDirectory& pipeline, const std::string& variant,
                     at::ScalarType dtype);
  /// The tokenizers alone.
  Json tokenizers(const PipelineDirectory& pipeline);

 private:
  std::string hash(const std::filesystem::path& file);
  /// Hashes names and contents of the files in it.
  std::string hash_of_folder(const std::filesystem::path& folder);
  Json weights(const std::filesystem::path& directory, const std::string& stem,
               const std::string& variant);

  CacheStore hashes_;
};

}  // namespace sdxl
