// Checks a data set before anything costs time: rows that cannot be trained on, and rows that would
// silently make a run worse.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "data/caption_table.h"
#include "data/dataset.h"
#include "data/picture_table.h"

namespace sdxl {

/// One kind of finding.
struct CheckFinding {
  std::string what;   ///< "pictures that cannot be read"
  std::string which;  ///< The same for one: "picture that cannot be read".
  bool bad = false;   ///< Whether such rows cannot be trained on.
  int64_t count = 0;
  std::vector<std::string> examples;  ///< A few.

  /// "1 picture that cannot be read"
  std::string text() const;
};

struct CheckReport {
  int64_t rows = 0, captions = 0;
  PixelSize smallest, largest;         ///< Pictures of the least and the largest area.
  std::vector<CheckFinding> findings;  ///< Kinds that occur; the bad ones come first.
  std::vector<int64_t> bad_rows;       ///< Rows that cannot be trained on, in order.
  /// The bad rows and the data set's unusable ones, with the reason of each.
  std::vector<LeftOut> left_out;

  /// Text for people: a line about all rows, then each finding with its examples.
  std::string table() const;
  Json json() const;
};

/// The target size of a picture of this size.
using TargetSize = std::function<PixelSize(PixelSize picture)>;

/// Checks `dataset` by the tables of its pictures and captions.
CheckReport check_dataset(const Dataset& dataset, const PictureTable& pictures,
                          const CaptionTable& captions, const TargetSize& target);

}  // namespace sdxl
