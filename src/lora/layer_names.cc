// Names are compared flat, component and path with every '.' as '_', which is what kohya's files
// hold and what the other styles reduce to.
#include "lora/layer_names.h"

#include <algorithm>
#include <array>
#include <utility>

#include "models/layers.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

constexpr std::string_view kTextModel = "text_model.";

bool strip_prefix(std::string* text, std::string_view prefix) {
  if (text->rfind(prefix, 0) != 0) return false;
  text->erase(0, prefix.size());
  return true;
}

void replace_all(std::string* text, std::string_view from, std::string_view to) {
  for (size_t at = text->find(from); at != std::string::npos;
       at = text->find(from, at + to.size())) {
    text->replace(at, from.size(), to);
  }
}

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

/// Component by the prefixes of the dotted styles; the UNet where there is none.
std::string component_of_dotted(std::string* key) {
  std::string component = "unet";
  strip_prefix(key, "base_model.model.");
  for (const char* name : {"text_encoder_2", "text_encoder", "unet"}) {
    if (!strip_prefix(key, std::string(name) + ".")) continue;
    component = name;
    break;
  }
  strip_prefix(key, "base_model.model.");
  return component;
}

/// Component by kohya's prefixes; "" for another style.
std::string component_of_kohya(std::string* key) {
  if (strip_prefix(key, "lora_unet_")) return "unet";
  if (strip_prefix(key, "lora_te2_")) return "text_encoder_2";
  if (strip_prefix(key, "lora_te1_") || strip_prefix(key, "lora_te_")) return "text_encoder";
  return "";
}

}  // namespace

std::string without_text_model(const std::string& path) {
  return path.rfind(kTextModel, 0) == 0 ? path.substr(kTextModel.size()) : path;
}

void LayerNames::add(const LayerName& layer, const std::string& other_path) {
  layers_.push_back(layer);
  by_flat_name_[flat(layer.component, layer.path)] = layer;
  if (!other_path.empty()) by_flat_name_.try_emplace(flat(layer.component, other_path), layer);
}

void LayerNames::add_unet(const UNet2DConditionModel& unet) {
  for (const std::string& path : adaptable_paths(unet)) {
    add({"unet", path}, original_unet_name(path, unet.config()));
  }
}

void LayerNames::add_text_encoder(const std::string& component, const Module& text_encoder) {
  for (const std::string& path : adaptable_paths(text_encoder)) {
    add({component, path}, without_text_model(path));
  }
}

std::optional<LayerName> LayerNames::find(const std::string& key) const {
  std::string path = key;
  std::string component = component_of_kohya(&path);
  if (component.empty()) component = component_of_dotted(&path);

  // Old diffusers and Paddle keep the adapters in the attention processor.
  replace_all(&path, ".processor.", ".");
  for (const char* name : {"to_q", "to_k", "to_v"}) {
    const std::string suffix = std::string(".") + name + "_lora";
    if (path.ends_with(suffix)) path.erase(path.size() - 5);
  }
  if (path.ends_with(".to_out_lora")) path.replace(path.size() - 5, 5, ".0");
  if (path.ends_with(".lora_linear_layer")) path.erase(path.size() - 18);
  // Old diffusers names a text encoder's attention as the UNet's.
  if (component != "unet") {
    constexpr std::array<std::pair<const char*, const char*>, 4> kAttention = {
        {{"to_q", "q_proj"}, {"to_k", "k_proj"}, {"to_v", "v_proj"}, {"to_out.0", "out_proj"}}};
    for (const auto& [old_name, name] : kAttention) {
      if (path.ends_with(std::string("self_attn.") + old_name)) {
        path.replace(path.size() - std::string(old_name).size(), std::string::npos, name);
      }
    }
    path = without_text_model(path);
    strip_prefix(&path, "text_model_");
  }

  auto found = by_flat_name_.find(flat(component, path));
  if (found == by_flat_name_.end() && component != "unet") {
    found = by_flat_name_.find(flat(component, "text_model." + path));
  }
  if (found == by_flat_name_.end()) return std::nullopt;
  return found->second;
}

}  // namespace sdxl
