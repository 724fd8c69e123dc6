#include "lora/adapter_config.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

AlphaRule read_alpha_rule(const Json& config, const std::string& prefix,
                          const std::string& source) {
  AlphaRule rule;
  if (config.contains(prefix + "lora_alpha")) {
    rule.alpha = json_value(config, prefix + "lora_alpha", 0.0, source);
  }
  const Json pattern = json_value(config, prefix + "alpha_pattern", Json::object(), source);
  for (const auto& [key, value] : pattern.items()) {
    if (!value.is_number())
      throw_json_type_error(source, prefix + "alpha_pattern", pattern, "numbers");
    // PEFT takes a key for a regular expression, which a plain name is too.
    if (key.find_first_of("^$*+?()[]{}|\\") == std::string::npos) continue;
    throw Error(ExitStatus::kBadData,
                str(source, ": ", quoted(key), " in ", prefix,
                    "alpha_pattern is a regular expression, which is not supported; give an entry "
                    "with its name to each layer"));
  }
  rule.pattern = pattern;
  rule.rank_stabilised = json_value(config, prefix + "use_rslora", false, source);
  return rule;
}

template <typename Counts>
auto most_frequent(const Counts& counts) {
  auto best = counts.begin();
  for (auto it = counts.begin(); it != counts.end(); ++it) {
    if (it->second > best->second) best = it;
  }
  return best->first;
}

/// A whole number without a fraction, as Python writes an int.
Json json_number(double value) {
  if (value == std::floor(value)) return static_cast<int64_t>(value);
  return value;
}

}  // namespace

double AlphaRule::alpha_of(const std::string& path, int64_t rank) const {
  double result = alpha.value_or(static_cast<double>(rank));
  for (const auto& [key, value] : pattern.items()) {
    if (path != key && !path.ends_with("." + key)) continue;
    result = value.get<double>();
    break;
  }
  return rank_stabilised ? result * std::sqrt(static_cast<double>(rank)) : result;
}

std::map<std::string, AlphaRule> read_alpha_rules(const SafetensorsFile& file,
                                                  const std::string& component) {
  std::map<std::string, AlphaRule> rules;
  auto found = file.metadata().find(kLoraMetadataKey);
  const fs::path beside = file.path().parent_path() / kPeftConfigFile;
  if (found != file.metadata().end()) {
    const std::string source = file.path().string() + " (" + kLoraMetadataKey + ")";
    const Json config = parse_json(found->second, source);
    for (const char* part : kAdaptedComponents) {
      rules[part] = read_alpha_rule(config, str(part, "."), source);
    }
  } else if (fs::exists(beside)) {
    rules[component.empty() ? "unet" : component] =
        read_alpha_rule(read_json(beside), "", beside.string());
  }
  return rules;
}

std::string peft_path(const LayerName& name) {
  return name.component == "unet" ? name.path : without_text_model(name.path);
}

at::Tensor peft_magnitude(const LoraLayer& layer) {
  return layer.down.dim() == 4 ? layer.magnitude.view({1, -1, 1, 1}) : layer.magnitude;
}

Json make_adapter_config(const LoraWeights& weights, const std::string& component) {
  std::map<int64_t, int> ranks;
  std::map<double, int> alphas;
  Json targets = Json::array();
  bool dora = false;
  for (const auto& [name, layer] : weights.layers) {
    if (name.component != component) continue;
    ++ranks[layer.rank()];
    ++alphas[layer.alpha];
    dora |= layer.magnitude.defined();
    targets.push_back(peft_path(name));
  }
  const int64_t rank = most_frequent(ranks);
  const double alpha = most_frequent(alphas);
  Json rank_pattern = Json::object(), alpha_pattern = Json::object();
  for (const auto& [name, layer] : weights.layers) {
    if (name.component != component) continue;
    if (layer.rank() != rank) rank_pattern[peft_path(name)] = layer.rank();
    if (layer.alpha != alpha) alpha_pattern[peft_path(name)] = json_number(layer.alpha);
  }
  return {{"r", rank},
          {"lora_alpha", json_number(alpha)},
          {"rank_pattern", rank_pattern},
          {"alpha_pattern", alpha_pattern},
          {"target_modules", targets},
          {"use_dora", dora}};
}

}  // namespace sdxl
