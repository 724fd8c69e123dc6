#include "lora/lora_merge.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

using AdaptersByLayer = std::map<LayerName, std::vector<std::pair<const LoraLayer*, double>>>;

void check_shapes(const LayerName& name, const LoraLayer& layer, const at::Tensor& weight,
                  const std::string& source) {
  const bool fits =
      layer.up.size(0) == weight.size(0) && layer.down.size(1) == weight.size(1) &&
      (layer.down.dim() == 2 || layer.down.sizes().slice(2) == weight.sizes().slice(2));
  if (fits && layer.up.flatten(1).size(1) == layer.rank() &&
      layer.down.flatten(1).size(1) == weight.flatten(1).size(1)) {
    return;
  }
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
  at::Tensor merged = weight.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).flatten(1);
  merged.addmm_(up, down, 1.0, factor);
  if (layer.magnitude.defined()) {
    const at::Tensor length = merged.norm(2, {1}, /*keepdim=*/true);
    merged = merged * (layer.magnitude.to(weight.device(), at::kFloat).reshape({-1, 1}) / length);
  }
  return merged.view(weight.sizes());
}

LoraMerger::LoraMerger(const std::map<std::string, Component>& components)
    : components_(components) {
  for (const auto& [name, component] : components_) {
    collect(name, *component.module, component.weights);
  }
}

void LoraMerger::collect(const std::string& component, Module& module, const Weights& weights) {
  module.visit([&](Module& part) {
    const LayerName name{component, part.path()};
    if (auto* linear = dynamic_cast<Linear*>(&part)) {
      targets_[name] = {linear, &linear->weight, &weights,
                        linear->weight.options().layout(at::kStrided)};
    } else if (auto* conv = dynamic_cast<Conv2d*>(&part)) {
      targets_[name] = {conv, &conv->weight, &weights, conv->weight.options().layout(at::kStrided)};
    }
  });
}

void LoraMerger::merge(const ScaledLoras& loras) {
  const at::NoGradGuard no_grad;
  AdaptersByLayer adapters;
  for (const auto& [lora, scale] : loras) {
    for (const auto& [name, layer] : lora->layers) {
      const auto target = targets_.find(name);
      if (target == targets_.end()) continue;
      check_shapes(name, layer, target->second.loaded->tensor(name.path + ".weight"), lora->source);
      adapters[name].emplace_back(&layer, scale);
    }
  }
  for (const LayerName& name : std::exchange(merged_, {})) {
    if (adapters.count(name) != 0) continue;
    const Target& target = targets_.at(name);
    const at::Tensor loaded = target.loaded->tensor(name.path + ".weight");
    target.layer->replace(*target.weight, loaded.to(target.options));
  }
  for (const auto& [name, parts] : adapters) {
    const Target& target = targets_.at(name);
    at::Tensor sum = target.loaded->tensor(name.path + ".weight").to(target.options.device());
    for (const auto& [layer, scale] : parts) sum = merged_weight(sum, *layer, scale);
    target.layer->replace(*target.weight, sum.to(target.options));
    target.loaded->release(name.path + ".weight");
    merged_.push_back(name);
  }
}

}  // namespace sdxl
