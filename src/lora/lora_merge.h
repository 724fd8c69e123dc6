// Merges LoRA weights into a model's weights for inference, and restores these bit for bit.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lora/lora_weights.h"
#include "models/module.h"

namespace sdxl {

/// LoRAs with their scales. A layer that several adapt gets the sum of their changes.
using ScaledLoras = std::vector<std::pair<const LoraWeights*, double>>;

class LoraMerger {
 public:
  /// The weights that were loaded into a component ("unet", …), under the model's names. A merge
  /// starts from them and restores them, so that no copy is kept; of a mapped file, only the
  /// adapted layers are read.
  struct Component {
    Module* module;
    Weights weights;
  };

  /// The modules must outlive this object.
  explicit LoraMerger(const std::map<std::string, Component>& components);

  /// Sets each adapted layer's weight to the loaded one plus every LoRA times its scale, computed
  /// in float32 and rounded once to the layer's dtype. Restores layers that only an earlier merge
  /// adapted; merge({}) restores all. Ignores LoRAs' layers of other components. Error(kBadData)
  /// for shapes that do not fit the model, before anything is changed.
  void merge(const ScaledLoras& loras);

 private:
  struct Target {
    Module* layer;
    at::Tensor* weight;
    const Weights* loaded;
    at::TensorOptions options;  ///< Dtype and device of the layer's weight.
  };
  void collect(const std::string& component, Module& module, const Weights& weights);

  std::map<std::string, Component> components_;
  std::map<LayerName, Target> targets_;
  std::vector<LayerName> merged_;
};

/// W + scale * (alpha / rank) * up @ down in float32; with DoRA, rows are then scaled to the
/// lengths in `magnitude`.
at::Tensor merged_weight(const at::Tensor& weight, const LoraLayer& layer, double scale);

}  // namespace sdxl
