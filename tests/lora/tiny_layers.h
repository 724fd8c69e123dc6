// The layers of the tiny pipeline, and adapters reduced to what they add to each weight.
#pragma once

#include <map>
#include <string>

#include "base/json.h"
#include "lora/formats/registry.h"
#include "lora/lora_file.h"
#include "models/clip_text_model.h"

namespace sdxl::test {

inline const std::string kTiny = SDXL_TEST_DATA "/tiny-sdxl";

inline Json tiny_config(const std::string& part) {
  return read_json(kTiny + "/" + part + "/config.json");
}

inline UNet2DConditionConfig tiny_unet_config() {
  return UNet2DConditionConfig::from_json(tiny_config("unet"), "tiny-sdxl");
}

inline LayerNames tiny_layers() {
  LayerNames names;
  names.add_unet(UNet2DConditionModel(tiny_unet_config()));
  for (const char* part : {"text_encoder", "text_encoder_2"}) {
    CLIPTextConfig config = CLIPTextConfig::from_json(tiny_config(part), "tiny-sdxl");
    config.with_projection = part == std::string("text_encoder_2");
    names.add_text_encoder(part, CLIPTextModel(config));
  }
  return names;
}

inline void write_lora(const std::string& format, const std::filesystem::path& path,
                       const LoraWeights& lora) {
  lora_format(format).write(path, lora, tiny_unet_config());
}

/// (alpha / rank) * up @ down of each layer.
inline std::map<LayerName, at::Tensor> changes(const LoraWeights& lora) {
  std::map<LayerName, at::Tensor> result;
  for (const auto& [name, layer] : lora.layers) {
    const at::Tensor product =
        layer.up.to(at::kFloat).flatten(1).mm(layer.down.to(at::kFloat).flatten(1));
    result[name] = product * (layer.alpha / static_cast<double>(layer.rank()));
  }
  return result;
}

}  // namespace sdxl::test
