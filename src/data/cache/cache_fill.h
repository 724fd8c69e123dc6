// Fills the caches. Batches depend on the samples' positions alone, so a fill that is interrupted
// and resumed, or shared by several ranks, encodes the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/cache/latent_cache.h"
#include "data/cache/prompt_cache.h"
#include "data/caption_table.h"
#include "data/encoders.h"
#include "data/sample_source.h"

namespace sdxl {

struct FillOptions {
  int64_t batch_size = 1;
  int64_t ranks = 1, rank = 0;  ///< Rank k % ranks encodes batch k.
  int64_t workers = 0;          ///< Threads that decode and resize pictures.
};

struct FillReport {
  int64_t wanted = 0;   ///< Values that the data set needs.
  int64_t encoded = 0;  ///< Values that this process encoded.
};

/// Caches the latents of `crops` random crops (one with center_crop) of every picture, and of their
/// mirror images if flips are drawn. Throws Interrupted after a stop request; what was encoded
/// stays cached.
FillReport fill_latents(LatentCache& cache, const SampleSource& source,
                        const PictureTable& pictures, int64_t crops, const EncodePictures& encode,
                        const FillOptions& options);

/// Caches the embeddings of every caption of every row; `captions` is the data set's table.
FillReport fill_prompts(PromptCache& cache, const Dataset& dataset, const CaptionTable& captions,
                        const EncodeCaptions& encode, const FillOptions& options);
/// Caches the embeddings of further texts, each encoded by itself.
FillReport fill_prompts(PromptCache& cache, const std::vector<std::string>& texts,
                        const EncodeCaptions& encode, const FillOptions& options);

}  // namespace sdxl
