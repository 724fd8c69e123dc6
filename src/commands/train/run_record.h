// What a run was trained with, as its config.json and its checkpoints keep it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "commands/train/context.h"
#include "data/data_identity.h"

namespace sdxl {

struct RunRecord {
  Json options = Json::object();  ///< Every option by its name, with the seed that was used.
  int64_t ranks = 1;
  int64_t samples = 0;               ///< Size of the data set; 0 where it is not known.
  std::optional<DataIdentity> data;  ///< Absent from checkpoints of older versions.
  /// Fingerprints of the frozen weights by the part of the model; none from older versions.
  std::map<std::string, std::string> weights;

  /// The options, with the rest under keys that begin with "_".
  Json json() const;
  /// Reverses json(). Keys that older versions did not write keep their defaults. `source` names
  /// the file in errors.
  static RunRecord from_json(Json json, const std::string& source);
};

/// Fingerprints of the text encoders, the VAE and, if `with_unet`, the UNet that a run reads.
std::map<std::string, std::string> identify_weights(const TrainingContext& context, bool with_unet);

}  // namespace sdxl
