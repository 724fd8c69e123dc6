// The LoRA files of an infer run, each read once, and what a set of weights takes from them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "commands/infer/weight_sets.h"
#include "lora/lora_file.h"
#include "lora/lora_merge.h"

namespace sdxl {

class LoraLibrary {
 public:
  /// `names` are the layers of the model's parts. Tensors that match none are an error unless
  /// `allow_unmatched`; then they are logged.
  LoraLibrary(LayerNames names, bool allow_unmatched);

  /// Reads the files of `set`; Error(kBadData) as read_lora().
  void read(const WeightSet& set);
  /// The files of `set`, which were read, with their scales times `factor`.
  ScaledLoras of(const WeightSet& set, double factor) const;
  /// What tells one state of the text encoders from another: "" where no LoRA changes them.
  std::string encoder_state(const WeightSet& set, double factor) const;

 private:
  LayerNames names_;
  bool allow_unmatched_;
  std::map<std::filesystem::path, LoraWeights> files_;
};

}  // namespace sdxl
