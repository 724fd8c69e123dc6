// Looking a data set over before anything costs time: what cannot be trained on, and what would
// make a run worse than its user thinks.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/caption_table.h"
#include "data/dataset.h"
#include "data/picture_table.h"

namespace sdxl {

/// One kind of finding.
struct CheckFinding {
  std::string what;  ///< "pictures that cannot be read"
  bool bad = false;  ///< Whether such a row cannot be trained on.
  int64_t count = 0;
  std::vector<std::string> examples;  ///< A few.
};

struct CheckReport {
  int64_t rows = 0, captions = 0;
  PixelSize smallest, largest;         ///< Of the pictures, by area.
  std::vector<CheckFinding> findings;  ///< Those with a count.
  std::vector<int64_t> bad_rows;       ///< In order.

  /// Lines for people: rows, then a line for each finding with its examples.
  std::string table() const;
  Json json() const;
};

/// The size that a picture is resized for.
using TargetSize = std::function<PixelSize(PixelSize picture)>;

/// Goes through what is known of the pictures and captions of `dataset`.
CheckReport check_dataset(const Dataset& dataset, const PictureTable& pictures,
                          const CaptionTable& captions, const TargetSize& target);

}  // namespace sdxl
