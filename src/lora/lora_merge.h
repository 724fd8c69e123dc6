// LoRA weights merged into a model's own for inference, and taken out again bit for bit.
#pragma once

#include <ATen/ATen.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lora/lora_file.h"
#include "models/module.h"

namespace sdxl {

/// LoRAs with their scales; a layer that several adapt gets their sum.
using ScaledLoras = std::vector<std::pair<const LoraWeights*, double>>;

class LoraMerger {
 public:
  /// The weights that were loaded into a component ("unet", …), under the model's own names. They
  /// are what a merge starts from and what is restored, so that no copy of them is kept: of a
  /// mapped file only what is touched is read.
  struct Component {
    Module* module;
    Weights weights;
  };

  /// The modules outlive this object.
  explicit LoraMerger(const std::map<std::string, Component>& components);

  /// Gives each adapted layer its loaded weight plus every LoRA times its scale, computed in
  /// float32 from the file's values and rounded once to the layer's dtype; layers that an earlier
  /// merge changed and this one does not get their own weights back. Layers of components that are
  /// not held here are passed over. Error(kBadData) for shapes that do not fit the model, before
  /// anything is changed.
  void merge(const ScaledLoras& loras);
  void restore() { merge({}); }

 private:
  struct Target {
    Module* layer;
    at::Tensor* weight;
    const Weights* loaded;
    at::TensorOptions options;  ///< Of the layer's weight.
  };
  void collect(const std::string& component, Module& module, const Weights& weights);

  std::map<std::string, Component> components_;
  std::map<LayerName, Target> targets_;
  std::vector<LayerName> merged_;
};

/// W + scale * (alpha / rank) * up @ down in float32, with the rows scaled to `magnitude` under
/// DoRA.
at::Tensor merged_weight(const at::Tensor& weight, const LoraLayer& layer, double scale);

}  // namespace sdxl
