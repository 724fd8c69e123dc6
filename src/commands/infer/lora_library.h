// The LoRA files of an infer run, each read once and shared by the weight sets that use it.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "commands/infer/weight_sets.h"
#include "lora/lora_file.h"
#include "lora/lora_merge.h"

namespace sdxl {

class LoraLibrary {
 public:
  /// `names` are the layers of the model's parts. A tensor that matches none is an error, or is
  /// logged with `allow_unmatched`.
  LoraLibrary(LayerNames names, bool allow_unmatched);

  /// Reads the files of `set`; Error(kBadData) as read_lora().
  void read(const WeightSet& set);
  /// The LoRAs of `set`, which read() has read, with their scales times `factor`. Warns once of a
  /// file with DoRA whose scale is 0.
  ScaledLoras of(const WeightSet& set, double factor) const;
  /// A key for the state of the text encoders: "" if no LoRA changes them.
  std::string encoder_state(const WeightSet& set, double factor) const;

 private:
  LayerNames names_;
  bool allow_unmatched_;
  std::map<std::filesystem::path, LoraWeights> files_;
  mutable std::set<std::filesystem::path> warned_;  ///< Files with DoRA that were used at scale 0.
};

}  // namespace sdxl
