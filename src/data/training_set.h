// Prepares a data set for a run: opens and checks it, gives every row a target size, and orders the
// draws.
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
  /// --on_bad_image skip: leave out what cannot be trained on. Every picture is decoded beforehand.
  bool skip_bad_rows = false;
  bool bucketing = false;
  int64_t group = 1;    ///< Samples of one micro-batch of all ranks; they share a bucket.
  int64_t threads = 1;  ///< Threads that read pictures and captions.
  /// Where sizes and hashes of pictures are cached. Without it only headers are read.
  std::optional<std::filesystem::path> cache_directory;
  CaptionTable::Truncates truncates;
};

struct TrainingSet {
  std::shared_ptr<const Dataset> dataset;
  std::shared_ptr<const PictureTable> pictures;
  std::shared_ptr<const CaptionTable> captions;
  std::shared_ptr<SampleSource> source;
  CheckReport report;

  /// A hash of all captions and of the pictures, in order: of their contents if the set was opened
  /// with a cache, else of their sizes. Does not depend on paths.
  std::string fingerprint() const;
};

/// Lists the report's left_out in a file: a JSON object with "name" and "reason" per line.
void write_left_out(const CheckReport& report, const std::filesystem::path& path);

/// Opens and checks the data set. Rows that cannot be trained on are Error(kBadData), or with
/// skip_bad_rows left out before any is drawn, so that the others are drawn equally often. Logs
/// what was left out.
TrainingSet open_training_set(const TrainingSetOptions& options);

}  // namespace sdxl
