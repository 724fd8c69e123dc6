// Merging of LoRA weights.
#include "lora/lora_merge.h"

#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

void collect(const std::string& component, Module& module,
             std::map<LayerName, at::Tensor*>* weights) {
  module.visit([&](Module& part) {
    if (auto* linear = dynamic_cast<Linear*>(&part))
      (*weights)[{component, part.path()}] = &linear->weight;
    if (auto* conv = dynamic_cast<Conv2d*>(&part))
      (*weights)[{component, part.path()}] = &conv->weight;
  });
}

void check_shapes(const LayerName& name, const LoraLayer& layer, const at::Tensor& weight,
                  const std::string& source) {
  const bool fits =
      layer.up.size(0) == weight.size(0) && layer.down.size(1) == weight.size(1) &&
      (layer.down.dim() == 2 || layer.down.sizes().slice(2) == weight.sizes().slice(2));
  if (fits) return;
  throw Error(ExitStatus::kBadData,
              sdxl::str(source, ": the adapter of ", name.text(), " has shapes ",
                        layer.down.sizes(), " and ", layer.up.sizes(), " for a weight of ",
                        weight.sizes(), ": it is for another model"));
}

}  // namespace

at::Tensor merged_weight(const at::Tensor& weight, const LoraLayer& layer, double scale) {
  const at::Tensor up = layer.up.to(weight.device(), at::kFloat).flatten(1);      // [out, r]
  const at::Tensor down = layer.down.to(weight.device(), at::kFloat).flatten(1);  // [r, in * k * k]
  const double factor = scale * layer.alpha / static_cast<double>(layer.rank());
  at::Tensor merged = weight.to(at::kFloat).flatten(1);
  merged = at::addmm(merged, up, down, 1.0, factor);
  if (layer.magnitude.defined()) {
    const at::Tensor length = merged.norm(2, {1}, /*keepdim=*/true);
    merged = merged * (layer.magnitude.to(weight.device(), at::kFloat).reshape({-1, 1}) / length);
  }
  return merged.view(weight.sizes());
}

LoraMerger::LoraMerger(const std::map<std::string, Module*>& components) {
  for (const auto& [component, module] : components) collect(component, *module, &weights_);
}

void LoraMerger::merge(const std::vector<std::pair<const LoraWeights*, double>>& loras) {
  const at::NoGradGuard no_grad;
  std::map<LayerName, at::Tensor> sums;
  for (const auto& [lora, scale] : loras) {
    for (const auto& [name, layer] : lora->layers) {
      auto weight = weights_.find(name);
      if (weight == weights_.end()) continue;
      check_shapes(name, layer, *weight->second, lora->source);
      auto sum = sums.try_emplace(name, *weight->second).first;
      sum->second = merged_weight(sum->second, layer, scale);
    }
  }
  for (auto& [name, sum] : sums) {
    at::Tensor& weight = *weights_.at(name);
    originals_.try_emplace(name, weight);
    weight = sum.to(weight.scalar_type());
  }
}

void LoraMerger::restore() {
  for (auto& [name, original] : originals_) *weights_.at(name) = original;
  originals_.clear();
}

}  // namespace sdxl
