// Tells data sets apart by what they hold, wherever they lie and whatever they are called.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"
#include "data/training_set.h"

namespace sdxl {

struct DataIdentity {
  int64_t rows = 0;
  std::string shape;    ///< Hash of every picture's size and captions, in the order of the rows.
  std::string content;  ///< Hash of every picture's bytes; "" if they were not read.

  static DataIdentity of(const TrainingSet& set);
  Json json() const;
  /// Reverses json(); `source` names the file in errors.
  static DataIdentity from_json(const Json& json, const std::string& source);

  /// Whether both are the same rows in the same order, as far as both are known.
  bool matches(const DataIdentity& other) const;
};

}  // namespace sdxl
