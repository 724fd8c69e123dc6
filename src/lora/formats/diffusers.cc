// diffusers' save_lora_weights: "COMPONENT.PATH", with LoraConfigs in the metadata.
#include <algorithm>

#include "base/text.h"
#include "lora/adapter_config.h"
#include "lora/formats/dotted_names.h"
#include "lora/formats/format.h"

namespace sdxl {
namespace {

bool is_attention(const LayerName& name) {
  return name.path.ends_with(".to_q") || name.path.ends_with(".to_k") ||
         name.path.ends_with(".to_v") || name.path.ends_with(".to_out.0");
}

bool adapts_only_attention(const LoraWeights& weights) {
  return std::all_of(weights.layers.begin(), weights.layers.end(), [](const auto& entry) {
    return entry.first.component != kUNetFolder || is_attention(entry.first);
  });
}

struct MatrixNames {
  const char *down, *up;
};

/// diffusers names the UNet's attention layers differently from its other layers, where it takes
/// PEFT's names. It cannot read a file with both: it looks at the first key and skips the others.
/// So all layers get PEFT's names unless only attention is adapted.
MatrixNames matrix_names(const std::string& component, bool only_attention) {
  if (component != kUNetFolder) {
    return {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"};
  }
  if (only_attention) return {".lora.down.weight", ".lora.up.weight"};
  return {".lora_A.weight", ".lora_B.weight"};
}

class DiffusersFormat : public LoraFormat {
 public:
  std::optional<LayerName> parse(const std::string& stem) const override {
    const bool in_processor =
        stem.find(".processor.") != std::string::npos || stem.ends_with("_lora");
    if (in_processor || is_kohya_or_peft(stem)) return std::nullopt;
    return split_component(stem);
  }

  bool can_write() const override { return true; }
  void write(const std::filesystem::path& path, const LoraWeights& weights,
             const UNet2DConditionConfig&) const override {
    const bool only_attention = adapts_only_attention(weights);
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& [name, layer] : weights.layers) {
      const MatrixNames names = matrix_names(name.component, only_attention);
      tensors.emplace_back(name.text() + names.down, layer.down);
      tensors.emplace_back(name.text() + names.up, layer.up);
      if (layer.magnitude.defined()) {
        // For text encoders diffusers reads this name alone; for the UNet it reads it as well as
        // the one without ".weight", which it writes.
        tensors.emplace_back(name.text() + ".lora_magnitude_vector.weight", peft_magnitude(layer));
      }
    }
    Json metadata = Json::object();
    for (const char* component : kAdaptedComponents) {
      if (!weights.adapts(component)) continue;
      const Json config = make_adapter_config(weights, component);
      for (const auto& [key, value] : config.items()) metadata[str(component, '.', key)] = value;
    }
    write_safetensors(path, tensors, {{"format", "pt"}, {kLoraMetadataKey, indented(metadata)}});
  }
};

}  // namespace

std::unique_ptr<LoraFormat> make_diffusers_format() { return std::make_unique<DiffusersFormat>(); }

}  // namespace sdxl
