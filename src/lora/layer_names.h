// The layers of a pipeline that LoRA files can adapt, found by any of the names that such files
// use: diffusers', PEFT's, kohya's (in diffusers' and in the original numbering) and Paddle's.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/module.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// A layer: "unet", "text_encoder" or "text_encoder_2", and its path in that component.
struct LayerName {
  std::string component, path;
  auto operator<=>(const LayerName&) const = default;
  std::string text() const { return component + "." + path; }
};

class LayerNames {
 public:
  /// The linear and convolution layers of `unet`, by their own and their original names.
  void add_unet(const UNet2DConditionModel& unet);
  /// Those of a text encoder; "text_model." in front of a name is optional.
  void add_text_encoder(const std::string& component, const Module& text_encoder);

  /// What `key` (a tensor's name without its role at the end) names, if anything.
  std::optional<LayerName> find(const std::string& key) const;
  const std::vector<LayerName>& layers() const { return layers_; }

 private:
  void add(const LayerName& layer, const std::string& other_path);

  std::vector<LayerName> layers_;
  std::map<std::string, LayerName> by_flat_name_;
};

/// `path` of a text encoder without the optional "text_model.".
std::string without_text_model(const std::string& path);

}  // namespace sdxl
