// Filling the caches: what is missing is encoded in batches that depend on the samples' positions
// alone, so that a fill that was cut short and taken up again, or shared out among ranks, gives the
// same bits.
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
  int64_t ranks = 1, rank = 0;  ///< Batch k is encoded by rank k % ranks.
  int64_t workers = 0;          ///< Threads that prepare pictures.
};

struct FillReport {
  int64_t wanted = 0;   ///< Values that the data set needs.
  int64_t encoded = 0;  ///< Values that this process made.
};

/// Fills `crops` random crops (one with center_crop) of every picture of the source, mirrored too
/// where flips are drawn. Pictures that cannot be decoded are an error or, with skip_bad_images,
/// have no latents. A stop request ends it with Interrupted; what was encoded stays.
FillReport fill_latents(LatentCache& cache, const SampleSource& source,
                        const PictureTable& pictures, int64_t crops, const EncodePictures& encode,
                        const FillOptions& options);

/// Every caption of every row; `captions` is the data set's table.
FillReport fill_prompts(PromptCache& cache, const Dataset& dataset, const CaptionTable& captions,
                        const EncodeCaptions& encode, const FillOptions& options);
/// A few texts besides, each encoded by itself.
FillReport fill_prompts(PromptCache& cache, const std::vector<std::string>& texts,
                        const EncodeCaptions& encode, const FillOptions& options);

}  // namespace sdxl
