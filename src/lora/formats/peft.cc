// PEFT: "base_model.model.PATH" in a folder for each component, with an adapter_config.json. A file
// of several components has the component before or after "base_model.model.".
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "io/model_files.h"
#include "lora/adapter_config.h"
#include "lora/formats/dotted_names.h"
#include "lora/formats/format.h"

namespace sdxl {
namespace {

/// The layer's path in the modules of transformers 5: CLIPTextModel, the first text encoder, has
/// lost its "text_model.", CLIPTextModelWithProjection has kept it.
std::string module_path(const LayerName& name) {
  return name.component == kTextEncoderFolder ? without_text_model(name.path) : name.path;
}

class PeftFormat : public LoraFormat {
 public:
  std::optional<LayerName> parse(const std::string& stem) const override {
    if (stem.find(kPeftPrefix) == std::string::npos) return std::nullopt;
    return split_component(stem);
  }

  bool can_write() const override { return true; }
  void write(const std::filesystem::path& path, const LoraWeights& weights,
             const UNet2DConditionConfig&) const override {
    AtomicDirectory result(path);
    for (const char* component : kAdaptedComponents) {
      if (weights.adapts(component)) {
        write_component(result.working_path() / component, weights, component);
      }
    }
    result.commit(/*replace=*/true);
  }

 private:
  static void write_component(const std::filesystem::path& folder, const LoraWeights& weights,
                              const std::string& component) {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& [name, layer] : weights.layers) {
      if (name.component != component) continue;
      const std::string stem = kPeftPrefix + module_path(name);
      tensors.emplace_back(stem + ".lora_A.weight", layer.down);
      tensors.emplace_back(stem + ".lora_B.weight", layer.up);
      if (layer.magnitude.defined()) {
        tensors.emplace_back(stem + ".lora_magnitude_vector", peft_magnitude(layer));
      }
    }
    Json config = make_adapter_config(weights, component);
    config.update({{"peft_type", "LORA"}, {"lora_dropout", 0.0}, {"bias", "none"}});
    make_directories(folder);
    write_json(folder / kPeftConfigFile, config);
    write_safetensors(folder / kPeftWeights, tensors);
  }
};

}  // namespace

std::unique_ptr<LoraFormat> make_peft_format() { return std::make_unique<PeftFormat>(); }

}  // namespace sdxl
