#include "lora/lora_merge.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

using AdaptersByLayer = std::map<LayerName, ScaledLayers>;

void check_shapes(const LayerName& name, const LoraLayer& layer, at::IntArrayRef weight,
                  const std::string& source) {
  const auto down = layer.down.sizes(), up = layer.up.sizes();
  const bool fits = up[0] == weight[0] && down[1] == weight[1] &&
                    (down.size() == 2 || down.slice(2) == weight.slice(2));
  if (fits && layer.up.numel() == up[0] * layer.rank() &&
      layer.down.numel() * weight[0] == layer.rank() * c10::multiply_integers(weight)) {
    return;
  }
  throw Error(ExitStatus::kBadData,
              sdxl::str(source, ": the adapter of ", name.text(), " has shapes ", down, " and ", up,
                        " for a weight of ", weight, ": it is for another model"));
}

}  // namespace

at::Tensor merged_weight(const at::Tensor& weight, const ScaledLayers& layers) {
  const bool has_dora = std::any_of(layers.begin(), layers.end(), [](const auto& part) {
    return part.first->magnitude.defined();
  });
  const at::Tensor base = has_dora ? weight.to(at::kFloat).flatten(1) : at::Tensor();
  at::Tensor merged =
      weight.to(at::kFloat, /*non_blocking=*/false, /*copy=*/true).flatten(1);  // [out, in * k * k]
  for (const auto& [layer, scale] : layers) {
    const at::Tensor up = layer->up.to(weight.device(), at::kFloat).flatten(1);  // [out, r]
    const at::Tensor down =
        layer->down.to(weight.device(), at::kFloat).flatten(1);  // [r, in * k * k]
    const double factor = scale * layer->alpha / static_cast<double>(layer->rank());
    merged.addmm_(up, down, 1.0, factor);
    if (!layer->magnitude.defined()) continue;
    const at::Tensor length =
        at::addmm(base, up, down, 1.0, factor).norm(2, {1}, /*keepdim=*/true);  // [out, 1]
    merged.mul_(layer->magnitude.to(weight.device(), at::kFloat).reshape({-1, 1}) / length);
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
      check_shapes(name, layer, target->second.loaded->sizes(name.path + ".weight"), lora->source);
      adapters[name].emplace_back(&layer, scale);
    }
  }
  for (const LayerName& name : std::exchange(merged_, {})) {
    if (adapters.contains(name)) continue;
    const Target& target = targets_.at(name);
    const at::Tensor loaded = target.loaded->tensor(name.path + ".weight");
    target.layer->replace(*target.weight, loaded.to(target.options));
  }
  for (const auto& [name, parts] : adapters) {
    const Target& target = targets_.at(name);
    const at::Tensor loaded =
        target.loaded->tensor(name.path + ".weight").to(target.options.device());
    target.layer->replace(*target.weight, merged_weight(loaded, parts).to(target.options));
    target.loaded->release(name.path + ".weight");
    merged_.push_back(name);
  }
}

}  // namespace sdxl
