// PEFT's LoraConfig as far as it shapes an adapter: adapter_config.json beside PEFT's files, and
// the same keys in the metadata of diffusers' files.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/json.h"
#include "io/safetensors.h"
#include "lora/lora_weights.h"

namespace sdxl {

/// The key of safetensors metadata under which diffusers keeps LoraConfigs.
inline constexpr const char* kLoraMetadataKey = "lora_adapter_metadata";

/// The alphas of a component's layers by a LoraConfig.
struct AlphaRule {
  std::optional<double> alpha;
  Json pattern = Json::object();  ///< alpha_pattern
  bool rank_stabilised = false;   ///< use_rslora: scale by alpha / sqrt(rank).

  /// The alpha of the layer at `path`, such that the scale is alpha / rank.
  double alpha_of(const std::string& path, int64_t rank) const;
};

/// Reads the rules of each component from the metadata of `file`, else from the adapter_config.json
/// beside it, which is for `component`, or the UNet if that is empty. Error(kBadData) for a
/// malformed config.
std::map<std::string, AlphaRule> read_alpha_rules(const SafetensorsFile& file,
                                                  const std::string& component);

/// Makes the LoraConfig of a component's adapters. The most frequent rank and alpha are the
/// defaults, others go into patterns. `weights` adapt the component.
Json make_adapter_config(const LoraWeights& weights, const std::string& component);

/// The path of a layer as LoraConfigs name it: PEFT compares the ends of names, so that one
/// without "text_model." fits text encoders with and without it.
std::string peft_path(const LayerName& name);

/// A layer's magnitude in PEFT's shape: [out], of a convolution [1, out, 1, 1].
at::Tensor peft_magnitude(const LoraLayer& layer);

}  // namespace sdxl
