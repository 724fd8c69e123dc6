// Names of the layers that LoRA files adapt, and the index that finds a pipeline's layer by any of
// them.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "io/model_files.h"
#include "models/module.h"
#include "models/unet_2d_condition.h"

namespace sdxl {

/// The parts of a pipeline that adapters can change, in the order of their weights.
inline constexpr const char* kAdaptedComponents[] = {kUNetFolder, kTextEncoderFolder,
                                                     kTextEncoder2Folder};

/// A layer by its component (of kAdaptedComponents) and its path in it.
struct LayerName {
  std::string component, path;
  auto operator<=>(const LayerName&) const = default;
  std::string text() const { return component + "." + path; }
};

/// The linear and convolution layers of a pipeline. Names are compared with every '.' as '_', which
/// is all that kohya's files hold.
class LayerNames {
 public:
  /// Adds the layers of `unet` by diffusers' names and by the original (sgm's) names.
  void add_unet(const UNet2DConditionModel& unet);
  /// Adds the layers of a text encoder, with and without "text_model." before their paths.
  void add_text_encoder(const std::string& component, const Module& text_encoder);

  /// Whether layers of `component` were added.
  bool contains(const std::string& component) const { return components_.contains(component); }
  /// Returns the layer that `name` means, whose path may be the original one or have '_' for '.'.
  std::optional<LayerName> find(const LayerName& name) const;

 private:
  void add(const LayerName& layer, const std::string& other_path);

  std::set<std::string> components_;
  std::map<std::string, LayerName> by_flat_name_;
};

/// Removes "text_model." from the start of a text encoder's `path`.
std::string without_text_model(const std::string& path);

}  // namespace sdxl
