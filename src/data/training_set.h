// A data set made ready for a run: opened, looked over, with a target size for every row and an
// order of the draws. What the encoders have to do with it comes after (cache_fill.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "data/caption_table.h"
#include "data/dataset.h"
#include "data/dataset_check.h"
#include "data/picture_table.h"
#include "data/sample_source.h"

namespace sdxl {

struct TrainingSetOptions {
  DatasetOptions dataset;
  TransformOptions transform;
  uint64_t seed = 0;
  double proportion_empty_prompts = 0;
  bool skip_bad_images = false;
  bool bucketing = false;
  int64_t group = 1;    ///< Samples of a micro-batch of all ranks, which share a bucket.
  int64_t threads = 1;  ///< That look at pictures and captions.
  /// Where what is known of pictures is remembered; none: nothing is, and only headers are looked
  /// at.
  std::optional<std::filesystem::path> cache_directory;
  CaptionTable::Truncates truncates;
};

struct TrainingSet {
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const PictureTable> pictures;
  std::shared_ptr<const CaptionTable> captions;
  std::shared_ptr<SampleSource> source;
  CheckReport report;
};

/// Opens and looks over the data set. Rows that cannot be trained on are Error(kBadData), or with
/// skip_bad_images left out. Sentences on what was left out go to the log.
TrainingSet open_training_set(const TrainingSetOptions& options);

}  // namespace sdxl
