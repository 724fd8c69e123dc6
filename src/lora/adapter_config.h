// PEFT's LoraConfigs: adapter_config.json beside PEFT's files, and the same keys in the metadata of
// diffusers' files.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/regular_expression.h"
#include "io/safetensors.h"
#include "lora/lora_weights.h"

namespace sdxl {

/// The key of safetensors metadata under which diffusers keeps LoraConfigs.
inline constexpr const char* kLoraMetadataKey = "lora_adapter_metadata";

/// What a LoraConfig says about the computation of a component's adapters.
class AdapterConfig {
 public:
  /// Reads the object `config`; `source` names it in errors. Error(kBadData) for other kinds of
  /// adapters, for settings that are unknown or not supported, and for malformed values.
  AdapterConfig(const Json& config, const std::string& source);

  /// The alpha of the layer at `path`, such that the scale is alpha / rank. As in PEFT, a key of
  /// alpha_pattern is a regular expression for the path or for its end after a dot; the first that
  /// matches counts.
  double alpha_of(const LayerName& layer, int64_t rank) const;
  bool uses_dora() const { return use_dora_; }

 private:
  struct AlphaPattern {
    RegularExpression key;
    double alpha;
  };

  void read_alphas(const Json& config);
  double checked_alpha(const std::string& key, const Json& value) const;

  std::string source_;
  std::optional<double> alpha_;
  std::vector<AlphaPattern> patterns_;
  bool rank_stabilised_ = false, use_dora_ = false;
};

/// Reads the configs of the components in `adapted` from the metadata of `file`; without them, from
/// the adapter_config.json beside it. A config without a component's name before its keys is for
/// the only component. Error(kBadData) if a config cannot be assigned to a component, or if only
/// some components have one.
std::map<std::string, AdapterConfig> read_adapter_configs(const SafetensorsFile& file,
                                                          const std::set<std::string>& adapted);

/// Makes the LoraConfig of a component that `weights` adapt. The most frequent rank and alpha are
/// the defaults, others go into patterns.
Json make_adapter_config(const LoraWeights& weights, const std::string& component);

/// A layer's magnitude in PEFT's shape: [out], of a convolution [1, out, 1, 1].
at::Tensor peft_magnitude(const LoraLayer& layer);

}  // namespace sdxl
