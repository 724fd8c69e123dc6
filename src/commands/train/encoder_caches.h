// The caches on disk of what a run's pictures and captions are encoded to. What is missing is made
// first, each value by one rank; the encoders are loaded only if something is, and are gone when it
// is done.
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
  /// Both outlive the object.
  EncoderCaches(const TrainingContext& context, const TrainingSet& set);

  /// Embeddings of every caption, and of `texts` besides.
  std::shared_ptr<PromptCache> prompts(const std::vector<std::string>& texts);
  /// Moments of every picture; with --random_flip mirrored ones too.
  std::shared_ptr<LatentCache> latents();

 private:
  /// --cache_dtype, else what the encoder computes in.
  at::ScalarType kept_dtype(at::ScalarType encoder) const;
  FillOptions fill_options(int64_t batch_size) const;
  /// Waits until all ranks have filled `store` and looks for what they put.
  void take_in(CacheStore& store) const;

  const TrainingContext& context_;
  const TrainingSet& set_;
  ModelIdentity identity_;
};

/// Pixels on the CPU -> moments, in the dtype that `vae` computes in.
EncodePictures picture_encoder(std::shared_ptr<const AutoencoderKL> vae, at::Device device);

}  // namespace sdxl
