#include "lora/lora_adapters.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "device/random.h"
#include "lora/lora_layers.h"
#include "lora/target_modules.h"

namespace sdxl {

namespace {

constexpr const char* kUNetTargets[] = {"to_k", "to_q", "to_v", "to_out.0"};
constexpr const char* kTextTargets[] = {"q_proj", "k_proj", "v_proj", "out_proj"};

void refuse_target(const TargetModules& target) {
  throw Error(ExitStatus::kUsage,
              sdxl::str("--lora_target_modules ", quoted(target.text()),
                        " matches no linear or convolution layer of what is trained; give names "
                        "(to_q, ff.net.0.proj, conv1), patterns of whole names with *, PEFT's "
                        "regular expressions, or all-linear"));
}

/// The layers that `targets`, or the default ones if there are none, choose. Error(kUsage) for a
/// target that chooses none.
std::map<LayerName, Module*> chosen_layers(const std::map<std::string, Module*>& components,
                                           const std::vector<std::string>& targets) {
  std::map<LayerName, Module*> layers;
  const auto choose = [&](const std::string& component, const TargetModules& target) {
    bool matched = false;
    components.at(component)->visit([&](Module& module) {
      if (!target.matches(module)) return;
      layers[{component, module.path()}] = &module;
      matched = true;
    });
    return matched;
  };
  if (targets.empty()) {
    for (const auto& [component, root] : components) {
      for (const char* name : component == kUNetFolder ? kUNetTargets : kTextTargets) {
        choose(component, TargetModules(name));
      }
    }
  }
  for (const std::string& text : targets) {
    const TargetModules target(text);
    bool matched = false;
    for (const auto& [component, root] : components) matched |= choose(component, target);
    if (!matched) refuse_target(target);
  }
  return layers;
}

void make_matrices(LoraAdapter* adapter) {
  const LoraOptions& options = adapter->shared->options;
  const std::vector<int64_t> shape =
      adapter->linear ? adapter->linear->weight.sizes().vec() : adapter->conv->weight.sizes().vec();
  std::vector<int64_t> down = {options.rank}, up = {shape[0], options.rank};
  down.insert(down.end(), shape.begin() + 1, shape.end());
  if (shape.size() == 4) up.insert(up.end(), {1, 1});
  const at::Generator generator = stream_generator(adapter->shared->seed, Stream::kWeights,
                                                   static_cast<uint64_t>(adapter->index));
  const at::Device device = adapter->device();
  adapter->down = (at::randn(down, generator, at::TensorOptions(at::kFloat)) /
                   static_cast<double>(options.rank))
                      .to(device);
  adapter->up = at::zeros(up, at::TensorOptions(at::kFloat).device(device));
  if (options.use_dora) {
    adapter->magnitude = adapter->frozen_weight().norm(2, {1});
    adapter->magnitude.set_requires_grad(true);
  }
  adapter->down.set_requires_grad(true);
  adapter->up.set_requires_grad(true);
}

}  // namespace

uint64_t count_adapter_elements(const std::map<std::string, Module*>& components,
                                const LoraOptions& options) {
  uint64_t elements = 0;
  for (const auto& [name, layer] : chosen_layers(components, options.target_modules)) {
    const std::vector<int64_t> shape = layer->parameters().front().shape;  // of the weight
    const auto rows = static_cast<uint64_t>(shape[0]);
    const auto columns = static_cast<uint64_t>(c10::multiply_integers(shape)) / rows;
    elements += static_cast<uint64_t>(options.rank) * (rows + columns);
    if (options.use_dora) elements += rows;
  }
  return elements;
}

LoraAdapters::LoraAdapters(const std::map<std::string, Module*>& components,
                           const LoraOptions& options, uint64_t seed)
    : shared_(std::make_shared<LoraShared>()) {
  const at::NoGradGuard no_grad;
  shared_->options = options;
  shared_->seed = seed;
  const std::map<LayerName, Module*> layers = chosen_layers(components, options.target_modules);
  for (const char* component : kAdaptedComponents) {
    for (const auto& [name, layer] : layers) {
      if (name.component != component) continue;
      auto adapter = std::make_shared<LoraAdapter>();
      adapter->shared = shared_;
      adapter->name = name;
      adapter->index = static_cast<int64_t>(adapters_.size());
      adapter->linear = dynamic_cast<Linear*>(layer);
      adapter->conv = dynamic_cast<Conv2d*>(layer);
      if (adapter->linear) adapter->former_linear = adapter->linear->override_;
      if (adapter->conv) adapter->former_conv = adapter->conv->override_;
      make_matrices(adapter.get());
      adapters_.push_back(adapter);
    }
  }
  shared_->adapter_count = static_cast<int64_t>(adapters_.size());
  for (const auto& adapter : adapters_) put_on(adapter);
}

LoraAdapters::~LoraAdapters() {
  for (const auto& adapter : adapters_) take_off(*adapter);
}

std::vector<LoraParameter> LoraAdapters::parameters() const {
  std::vector<LoraParameter> result;
  for (const auto& adapter : adapters_) {
    const bool is_conv = adapter->conv != nullptr;
    result.push_back({adapter->name, "down", adapter->down, is_conv});
    result.push_back({adapter->name, "up", adapter->up, is_conv});
    if (adapter->magnitude.defined()) {
      result.push_back({adapter->name, "magnitude", adapter->magnitude, is_conv});
    }
  }
  return result;
}

void LoraAdapters::set_enabled(bool enabled) { shared_->enabled = enabled; }

void LoraAdapters::set_dropout_draws(std::vector<int64_t> draws) {
  shared_->draws = std::move(draws);
}

LoraWeights LoraAdapters::weights() const {
  LoraWeights result;
  result.source = "the trained adapters";
  for (const auto& adapter : adapters_) {
    LoraLayer& layer = result.layers[adapter->name];
    layer.down = adapter->down.detach();
    layer.up = adapter->up.detach();
    layer.alpha = shared_->options.alpha;
    if (adapter->magnitude.defined()) layer.magnitude = adapter->magnitude.detach();
  }
  return result;
}

void LoraAdapters::load(const LoraWeights& weights) {
  const at::NoGradGuard no_grad;
  auto refuse = [&](const LoraAdapter& adapter, const std::string& what) {
    throw Error(ExitStatus::kBadData,
                sdxl::str(weights.source, ": the adapter of ", adapter.name.text(), " ", what,
                          "; give the options that it was trained with"));
  };
  if (weights.layers.size() != adapters_.size()) {
    throw Error(ExitStatus::kBadData,
                sdxl::str(weights.source, " adapts ", weights.layers.size(),
                          " layers and this run ", adapters_.size(),
                          ": give the same --lora_target_modules and --train_text_encoder"));
  }
  for (const auto& adapter : adapters_) {
    auto found = weights.layers.find(adapter->name);
    if (found == weights.layers.end()) refuse(*adapter, "is missing");
    const LoraLayer& layer = found->second;
    if (layer.down.sizes() != adapter->down.sizes()) {
      refuse(*adapter, sdxl::str("has rank ", layer.rank(), ", not ", shared_->options.rank));
    }
    if (layer.alpha != shared_->options.alpha) {
      refuse(*adapter, sdxl::str("has alpha ", layer.alpha, ", not ", shared_->options.alpha));
    }
    if (layer.magnitude.defined() != adapter->magnitude.defined()) {
      refuse(*adapter, layer.magnitude.defined() ? "has a DoRA scale" : "has no DoRA scale");
    }
    adapter->down.copy_(layer.down);
    adapter->up.copy_(layer.up);
    if (layer.magnitude.defined()) adapter->magnitude.copy_(layer.magnitude);
  }
}

}  // namespace sdxl
