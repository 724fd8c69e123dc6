#include "commands/train/encoder_identity.h"

#include <algorithm>
#include <future>
#include <vector>

#include "base/files/files.h"
#include "base/hash.h"
#include "data/formats/random_access_file.h"
#include "io/model_files.h"
#include "io/pretrained.h"

namespace sdxl {
EncoderIdentity::EncoderIdentity(const fs::path& cache_directory)
    : hashes_(cache_directory,
              Json{{"kind", "files"}, {"version", 1}, {"holds", "SHA-256 of model files"}}) {}

std::string EncoderIdentity::hash(const fs::path& file) {
  const CacheKey key = CacheKey::of(RandomAccessFile(file).stamp());
  if (const auto known = hashes_.read(key)) return *known;
  std::string hash = sha256_of_file(file);
  hashes_.put(key, hash);
  hashes_.flush();
  return hash;
}

std::string EncoderIdentity::hash_of_folder(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Hasher hasher;
  for (const fs::path& file : files) {
    hasher.update(file.filename().string()).update("\0", 1).update(hash(file));
  }
  return hasher.hex();
}

Json EncoderIdentity::weights(const fs::path& directory, const std::string& stem,
                              const std::string& variant) {
  Json hashes = Json::array();
  for (const fs::path& file : Weights::open(directory, stem, variant).files()) {
    hashes.push_back(hash(file));
  }
  return {{"weights", hashes}, {"config", architecture_of(read_json(directory / kConfigFile))}};
}

Json EncoderIdentity::vae(const fs::path& directory, const std::string& variant,
                          at::ScalarType dtype) {
  Json identity = weights(directory, kDiffusersStem, variant);
  for (const char* key : {"scaling_factor", "force_upcast"}) identity["config"].erase(key);
  identity["computes_in"] = c10::toString(dtype);
  return identity;
}

Json EncoderIdentity::text_encoders(const PipelineDirectory& pipeline, const std::string& variant,
                                    at::ScalarType dtype) {
  const auto encoder = [&](int number) {
    Json identity = weights(pipeline.part(text_encoder_folder(number)), kTransformersStem, variant);
    identity["tokenizer"] = hash_of_folder(pipeline.part(tokenizer_folder(number)));
    return identity;
  };
  // Each hashes its own files, which may be gigabytes.
  std::future<Json> second = std::async(std::launch::async, encoder, 2);
  Json identity = {{"computes_in", c10::toString(dtype)}};
  identity["text_encoder"] = encoder(1);
  identity["text_encoder_2"] = second.get();
  return identity;
}

Json EncoderIdentity::tokenizers(const PipelineDirectory& pipeline) {
  return {hash_of_folder(pipeline.part(kTokenizerFolder)),
          hash_of_folder(pipeline.part(kTokenizer2Folder))};
}

}  // namespace sdxl
