#include "lora/layer_names.h"

#include <algorithm>

#include "models/layers.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

constexpr std::string_view kTextModel = "text_model.", kFlatTextModel = "text_model_";

std::string flat(const std::string& component, std::string path) {
  std::replace(path.begin(), path.end(), '.', '_');
  return component + "/" + path;
}

std::vector<std::string> adaptable_paths(const Module& root) {
  std::vector<std::string> paths;
  std::function<void(const Module&)> walk = [&](const Module& module) {
    if (dynamic_cast<const Linear*>(&module) || dynamic_cast<const Conv2d*>(&module)) {
      paths.push_back(module.path());
    }
    for (const Module* child : module.children()) walk(*child);
  };
  walk(root);
  return paths;
}

}  // namespace

std::string without_text_model(const std::string& path) {
  return path.starts_with(kTextModel) ? path.substr(kTextModel.size()) : path;
}

void LayerNames::add(const LayerName& layer, const std::string& other_path) {
  components_.insert(layer.component);
  by_flat_name_[flat(layer.component, layer.path)] = layer;
  if (!other_path.empty()) by_flat_name_.try_emplace(flat(layer.component, other_path), layer);
}

void LayerNames::add_unet(const UNet2DConditionModel& unet) {
  for (const std::string& path : adaptable_paths(unet)) {
    add({kUNetFolder, path}, original_unet_name(path, unet.config()));
  }
}

void LayerNames::add_text_encoder(const std::string& component, const Module& text_encoder) {
  for (const std::string& path : adaptable_paths(text_encoder)) {
    add({component, path}, without_text_model(path));
  }
}

std::optional<LayerName> LayerNames::find(const LayerName& name) const {
  auto found = by_flat_name_.find(flat(name.component, name.path));
  if (found == by_flat_name_.end() && name.component != kUNetFolder) {
    std::string path = without_text_model(name.path);
    if (path.starts_with(kFlatTextModel)) path.erase(0, kFlatTextModel.size());
    found = by_flat_name_.find(flat(name.component, path));
  }
  if (found == by_flat_name_.end()) return std::nullopt;
  return found->second;
}

}  // namespace sdxl
