// LoRA weights merged into a model's own for inference, and taken out again bit for bit.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "lora/lora_file.h"
#include "models/module.h"

namespace sdxl {

class LoraMerger {
 public:
  /// The layers of `components` ("unet", …), which outlive this object, can be changed.
  explicit LoraMerger(const std::map<std::string, Module*>& components);

  /// Adds each LoRA times its scale to the weights it adapts: the sum is computed in float32 and
  /// rounded once to the weights' dtype. Layers of components that are not held here are passed
  /// over. Error(kBadData) for shapes that do not fit the model.
  void merge(const std::vector<std::pair<const LoraWeights*, double>>& loras);
  /// Gives every changed layer its own weights back.
  void restore();

 private:
  std::map<LayerName, at::Tensor*> weights_;
  std::map<LayerName, at::Tensor> originals_;
};

/// W + scale * (alpha / rank) * up @ down in float32, with the rows scaled to `magnitude` under
/// DoRA.
at::Tensor merged_weight(const at::Tensor& weight, const LoraLayer& layer, double scale);

}  // namespace sdxl
