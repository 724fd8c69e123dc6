// Scales of 8-bit weights in a checkpoint, as ComfyUI and convert-to-quant write them: "X.weight"
// in fp8 or int8 with "X.weight_scale" and its format in "X.comfy_quant", or in older files
// "X.scale_weight" and a marker "scaled_fp8".
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <set>
#include <string>

#include "io/safetensors.h"

namespace sdxl {

class WeightScales {
 public:
  /// Finds the scales of `file`. Error(kBadData) for formats that are not supported, for scales
  /// whose shape does not fit their weight, and for int8 weights without a scale.
  explicit WeightScales(const SafetensorsFile& file);

  /// The name of the tensor that scales `weight`, "" if none does.
  std::string scale_of(const std::string& weight) const;
  /// Whether the tensor only accompanies weights: a scale, a format, a marker, or the scale of a
  /// layer's input, which weight-only arithmetic does not need.
  bool is_companion(const std::string& name) const { return companions_.contains(name); }

 private:
  std::map<std::string, std::string> scales_;  // by weight
  std::set<std::string> companions_;
};

/// Returns the numbers of a weight of 8-bit `codes`, [out, …] float32: codes times scale. The scale
/// has one number, one for each row ([out] or [out, 1]), or one for each block ([out / m, in / n]).
at::Tensor scaled_weight(const at::Tensor& codes, const at::Tensor& scale);

}  // namespace sdxl
