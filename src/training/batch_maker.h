// Turns the loader's batches into the trainer's: draws latents from the posterior, embeds prompts
// and moves everything to the run's device.
#pragma once

#include <ATen/ATen.h>

#include <memory>

#include "data/encoders.h"
#include "data/sample_source.h"
#include "training/batch.h"

namespace sdxl {

struct BatchMakerOptions {
  uint64_t seed = 0;
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  ///< Of embeddings.
  double scaling_factor = 0.13025;    ///< The VAE's.
  bool embeds_prompts = true;         ///< False if the Trainable encodes prompts itself.
};

class BatchMaker {
 public:
  /// `pictures` and `captions` encode batches without moments or embeddings; they may be empty if
  /// all batches have them. `dropped` replaces dropped captions, [1, S, D] and [1, P].
  BatchMaker(BatchMakerOptions options, std::shared_ptr<const Dataset> dataset,
             EncodePictures pictures, EncodeCaptions captions, PromptEmbeds dropped);

  TrainingBatch make(const Batch& batch) const;

 private:
  at::Tensor latents(const Batch& batch) const;
  PromptEmbeds embeds(const Batch& batch) const;

  BatchMakerOptions options_;
  std::shared_ptr<const Dataset> dataset_;
  EncodePictures encode_pictures_;
  EncodeCaptions encode_captions_;
  PromptEmbeds dropped_;
};

}  // namespace sdxl
