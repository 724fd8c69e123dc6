// What a run was trained with, as its config.json and its checkpoints keep it.
#pragma once

#include <cstdint>
#include <string>

#include "base/json.h"

namespace sdxl {

struct RunRecord {
  Json options = Json::object();  ///< Every option by its name, with the seed that was used.
  int64_t ranks = 1;
  int64_t samples = 0;  ///< Size of the data set; 0 where it is not known.

  /// The options, with the keys "_ranks" and "_samples" beside them.
  Json json() const;
  /// Reverses json(). Keys that older versions did not write keep their defaults. `source` names
  /// the file in errors.
  static RunRecord from_json(Json json, const std::string& source);
};

}  // namespace sdxl
