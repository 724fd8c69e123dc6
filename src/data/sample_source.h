// Makes the sample of a draw: the transformed picture of its row or its cached latents, time ids,
// and one of its captions.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/cache/latent_cache.h"
#include "data/cache/prompt_cache.h"
#include "data/dataset.h"
#include "data/draw_order.h"
#include "data/picture_table.h"
#include "data/prompt_embeds.h"
#include "data/transform.h"

namespace sdxl {

/// One sample. Has either `pixels` or `moments`, and `embeds` if prompts are cached.
struct Sample {
  int64_t draw = 0, row = 0;
  Image pixels;         ///< Target size.
  at::Tensor moments;   ///< Mean and log-variance [2 * latent, h, w] in the cache's dtype.
  at::Tensor time_ids;  ///< [6] float32
  std::string caption;  ///< "" if dropped.
  bool caption_dropped = false;
  PromptEmbeds embeds;
};

/// A micro-batch of one rank. Tensors are undefined if the samples lack them.
struct Batch {
  std::vector<int64_t> draws, rows;
  at::Tensor pixels;    ///< [B, 3, H, W] float32 in [-1, 1]
  at::Tensor moments;   ///< [B, 2 * latent, h, w]
  at::Tensor time_ids;  ///< [B, 6] float32
  std::vector<std::string> captions;
  std::vector<bool> caption_dropped;
  PromptEmbeds embeds;
};

/// Stacks samples of one size. Uses none of LibTorch's threads, as it runs on the loader's.
Batch collate(const std::vector<Sample>& samples);

struct SampleOptions {
  TransformOptions transform;
  uint64_t seed = 0;
  double proportion_empty_prompts = 0;
  /// With --bucketing the target size of each row; empty for squares of the resolution.
  std::vector<PixelSize> bucket_sizes = {};
  std::vector<uint16_t> bucket_of_row = {};
};

class SampleSource {
 public:
  SampleSource(std::shared_ptr<const Dataset> dataset, std::shared_ptr<const DrawOrder> order,
               SampleOptions options);

  /// Takes latents from a cache that was filled with this source, `pictures` and `crops`. Draw d
  /// takes crop (d / size) % crops.
  void use_latents(std::shared_ptr<const LatentCache> cache,
                   std::shared_ptr<const PictureTable> pictures, int64_t crops);
  /// Takes prompt embeddings from a cache. Dropped captions get `dropped` (on the CPU).
  void use_prompts(std::shared_ptr<const PromptCache> cache, PromptEmbeds dropped);

  /// Error(kBadData) if the row's picture or caption cannot be read or is not cached. Thread-safe.
  Sample sample(int64_t draw) const;

  const Dataset& dataset() const { return *dataset_; }
  const SampleOptions& options() const { return options_; }
  PixelSize target(int64_t row) const;

  /// The transform of cached crop `crop` of `row`, not flipped.
  TransformPlan cached_plan(const PictureInfo& picture, int64_t row, int64_t crop) const;
  Image decoded(int64_t row) const;

 private:
  void add_pixels(Sample* sample) const;
  void add_latents(Sample* sample) const;
  void add_caption(Sample* sample) const;

  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<const DrawOrder> order_;
  SampleOptions options_;
  std::shared_ptr<const LatentCache> latents_;
  std::shared_ptr<const PictureTable> pictures_;
  int64_t crops_ = 1;
  std::shared_ptr<const PromptCache> prompts_;
  PromptEmbeds dropped_;
};

}  // namespace sdxl
