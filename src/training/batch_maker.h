// From what the loader gives to what the trainer takes: latents from the posterior, prompts as
// embeddings, everything on the run's device.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "conditioning/prompt_encoder.h"
#include "data/encoders.h"
#include "data/sample_source.h"
#include "training/batch.h"

namespace sdxl {

struct BatchMakerOptions {
  uint64_t seed = 0;
  at::Device device = at::kCPU;
  at::ScalarType dtype = at::kFloat;  ///< Of embeddings.
  double scaling_factor = 0.13025;    ///< The VAE's.
  bool embeds = true;  ///< Whether prompts are embedded here; else the model does it.
};

class BatchMaker {
 public:
  using EncodeCaptions = std::function<PromptEmbedding(const std::vector<std::string>& captions)>;

  /// `pictures` and `captions` are called for batches that come without moments or embeddings and
  /// may be empty where none do. `dropped` stands for captions that were dropped, [1, S, D] and
  /// [1, P].
  BatchMaker(BatchMakerOptions options, std::shared_ptr<const Dataset> dataset,
             EncodePictures pictures, EncodeCaptions captions, PromptEmbedding dropped);

  TrainingBatch make(const Batch& batch) const;

 private:
  at::Tensor latents(const Batch& batch) const;
  void embed(const Batch& batch, TrainingBatch& to) const;

  BatchMakerOptions options_;
  std::shared_ptr<const Dataset> dataset_;
  EncodePictures encode_pictures_;
  EncodeCaptions encode_captions_;
  PromptEmbedding dropped_;
};

}  // namespace sdxl
