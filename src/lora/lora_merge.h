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

/// LoRAs with their scales, in the order in which they are merged.
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

using ScaledLayers = std::vector<std::pair<const LoraLayer*, double>>;

/// Merges one layer's adapters into `weight` in turn, in float32: M = M + D with D = scale * (alpha
/// / rank) * up @ down. With DoRA the rows of this sum are then multiplied by magnitude / |W + D|,
/// where W is `weight` and the norm that of each row, as PEFT does (tuners/lora/variants.py).
/// A DoRA adapter therefore changes the weight even at scale 0.
at::Tensor merged_weight(const at::Tensor& weight, const ScaledLayers& layers);

}  // namespace sdxl
