// kohya's sd-scripts, which web UIs read: "lora_unet_PATH" with '_' for '.', in diffusers' or in
// the original numbering, and an alpha for each layer.
#include <algorithm>

#include "lora/formats/format.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

struct KohyaPrefix {
  const char *prefix, *component;
};
// The first prefix of a component is the one that is written.
constexpr KohyaPrefix kKohyaPrefixes[] = {{"lora_unet_", kUNetFolder},
                                          {"lora_te1_", kTextEncoderFolder},
                                          {"lora_te_", kTextEncoderFolder},
                                          {"lora_te2_", kTextEncoder2Folder}};

std::string kohya_stem(const LayerName& name, const UNet2DConditionConfig& unet) {
  std::string path = name.path;
  if (name.component == kUNetFolder) {
    path = original_unet_name(path, unet);
  } else if (path != "text_projection") {  // which stands beside "text_model"
    path = "text_model." + without_text_model(path);
  }
  std::replace(path.begin(), path.end(), '.', '_');
  for (const KohyaPrefix& entry : kKohyaPrefixes) {
    if (name.component == entry.component) return entry.prefix + path;
  }
  return path;
}

class KohyaFormat : public LoraFormat {
 public:
  std::optional<LayerName> parse(const std::string& stem) const override {
    for (const auto& [prefix, component] : kKohyaPrefixes) {
      if (stem.starts_with(prefix)) {
        return LayerName{component, stem.substr(std::string_view(prefix).size())};
      }
    }
    return std::nullopt;
  }

  bool can_write() const override { return true; }
  void write(const std::filesystem::path& path, const LoraWeights& weights,
             const UNet2DConditionConfig& unet) const override {
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& [name, layer] : weights.layers) {
      const std::string stem = kohya_stem(name, unet);
      tensors.emplace_back(stem + ".lora_down.weight", layer.down);
      tensors.emplace_back(stem + ".lora_up.weight", layer.up);
      tensors.emplace_back(stem + ".alpha", at::scalar_tensor(layer.alpha, at::kFloat));
      if (layer.magnitude.defined()) {
        const std::vector<int64_t> shape =
            layer.down.dim() == 4 ? std::vector<int64_t>{-1, 1, 1, 1} : std::vector<int64_t>{-1, 1};
        tensors.emplace_back(stem + ".dora_scale", layer.magnitude.view(shape));
      }
    }
    write_safetensors(path, tensors,
                      {{"format", "pt"},
                       {"ss_network_module", "networks.lora"},
                       {"ss_base_model_version", "sdxl_base_v1-0"},
                       {"modelspec.architecture", "stable-diffusion-xl-v1-base/lora"}});
  }
};

}  // namespace

std::unique_ptr<LoraFormat> make_kohya_format() { return std::make_unique<KohyaFormat>(); }

}  // namespace sdxl
