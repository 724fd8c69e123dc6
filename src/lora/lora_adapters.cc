#include "lora/lora_adapters.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"
#include "base/glob.h"
#include "base/text.h"
#include "device/random.h"
#include "lora/lora_layers.h"

namespace sdxl {

namespace {

const std::vector<std::string> kUNetTargets = {"to_k", "to_q", "to_v", "to_out.0"};
const std::vector<std::string> kTextTargets = {"q_proj", "k_proj", "v_proj", "out_proj"};

bool target_matches(const std::string& target, const std::string& path) {
  if (target.find('*') != std::string::npos) return glob_matches(target, path, GlobStyle::kText);
  return path == target || path.ends_with("." + target);
}

/// The chosen layers of a component by path.
std::map<std::string, Module*> chosen_layers(const std::string& component, Module& root,
                                             const std::vector<std::string>& targets) {
  std::map<std::string, Module*> layers;
  root.visit([&](Module& module) {
    if (!dynamic_cast<Linear*>(&module) && !dynamic_cast<Conv2d*>(&module)) return;
    const bool by_default = targets.empty();
    const auto& wanted = !by_default ? targets : component == "unet" ? kUNetTargets : kTextTargets;
    for (const std::string& target : wanted) {
      if (target_matches(target, module.path())) layers[module.path()] = &module;
    }
  });
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

void refuse_unmatched_targets(const std::vector<std::string>& targets,
                              const std::vector<std::shared_ptr<LoraAdapter>>& adapters) {
  for (const std::string& target : targets) {
    const bool matched = std::any_of(adapters.begin(), adapters.end(), [&](const auto& adapter) {
      return target_matches(target, adapter->name.path);
    });
    if (matched) continue;
    throw Error(ExitStatus::kUsage,
                sdxl::str("--lora_target_modules ", quoted(target),
                          " matches no linear or convolution "
                          "layer of what is trained; names look like to_q, ff.net.0.proj, conv1"));
  }
}

}  // namespace

uint64_t count_adapter_elements(const std::map<std::string, Module*>& components,
                                const LoraOptions& options) {
  uint64_t elements = 0;
  for (const auto& [component, root] : components) {
    for (const auto& [path, layer] : chosen_layers(component, *root, options.target_modules)) {
      const std::vector<int64_t> shape = layer->parameters().front().shape;  // of the weight
      const auto rows = static_cast<uint64_t>(shape[0]);
      const auto columns = static_cast<uint64_t>(c10::multiply_integers(shape)) / rows;
      elements += static_cast<uint64_t>(options.rank) * (rows + columns);
      if (options.use_dora) elements += rows;
    }
  }
  return elements;
}

LoraAdapters::LoraAdapters(const std::map<std::string, Module*>& components,
                           const LoraOptions& options, uint64_t seed)
    : shared_(std::make_shared<LoraShared>()) {
  const at::NoGradGuard no_grad;
  shared_->options = options;
  shared_->seed = seed;
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    auto root = components.find(component);
    if (root == components.end()) continue;
    for (const auto& [path, layer] :
         chosen_layers(component, *root->second, options.target_modules)) {
      auto adapter = std::make_shared<LoraAdapter>();
      adapter->shared = shared_;
      adapter->name = {component, path};
      adapter->index = static_cast<int64_t>(adapters_.size());
      adapter->linear = dynamic_cast<Linear*>(layer);
      adapter->conv = dynamic_cast<Conv2d*>(layer);
      if (adapter->linear) adapter->former_linear = adapter->linear->override_;
      if (adapter->conv) adapter->former_conv = adapter->conv->override_;
      make_matrices(adapter.get());
      adapters_.push_back(adapter);
    }
  }
  refuse_unmatched_targets(options.target_modules, adapters_);
  shared_->adapter_count = static_cast<int64_t>(adapters_.size());
  for (const auto& adapter : adapters_) put_on(adapter);
}

LoraAdapters::~LoraAdapters() {
  for (const auto& adapter : adapters_) take_off(*adapter);
}

std::vector<LoraParameter> LoraAdapters::parameters() const {
  std::vector<LoraParameter> result;
  for (const auto& adapter : adapters_) {
    result.push_back({adapter->name, "down", adapter->down});
    result.push_back({adapter->name, "up", adapter->up});
    if (adapter->magnitude.defined())
      result.push_back({adapter->name, "magnitude", adapter->magnitude});
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
