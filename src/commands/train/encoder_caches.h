// The caches on disk that hold a run's encoded pictures and captions. Opening one fills it first:
// each missing value is computed by one rank. Encoders are loaded only if a value is missing, and
// freed afterwards.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "commands/train/context.h"
#include "commands/train/encoder_identity.h"
#include "data/cache/cache_fill.h"
#include "data/training_set.h"

namespace sdxl {

class EncoderCaches {
 public:
  /// The arguments outlive the object.
  EncoderCaches(const TrainingContext& context, const TrainingSet& set);

  /// Embeddings of every caption and of `texts`.
  std::shared_ptr<PromptCache> prompts(const std::vector<std::string>& texts);
  /// Moments of every picture, with --random_flip also of its mirror image.
  std::shared_ptr<LatentCache> latents();

 private:
  /// --cache_dtype, else the dtype of the encoder's arithmetic.
  at::ScalarType kept_dtype(at::ScalarType encoder) const;
  FillOptions fill_options(int64_t batch_size) const;
  /// Waits until all ranks have filled `store`, then reads what the others added.
  void refresh(CacheStore& store) const;

  const TrainingContext& context_;
  const TrainingSet& set_;
  EncoderIdentity identity_;
};

/// Encodes pixels on the CPU to moments, in the dtype of `vae`.
EncodePictures picture_encoder(std::shared_ptr<const AutoencoderKL> vae, at::Device device);

}  // namespace sdxl
