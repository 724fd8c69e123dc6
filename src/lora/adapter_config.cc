#include "lora/adapter_config.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "base/error.h"
#include "base/text.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

/// Settings that do not change what a trained adapter computes, or that show in the file's tensors.
constexpr std::string_view kNeutralSettings[] = {
    "auto_mapping",
    "base_model_name_or_path",
    "bias",
    "corda_config",
    "ensure_weight_tying",
    "eva_config",
    "exclude_modules",
    "fan_in_fan_out",
    "inference_mode",
    "layers_pattern",
    "layers_to_transform",
    "loftq_config",
    "lora_bias",
    "lora_dropout",
    "lora_ga_config",
    "megatron_config",
    "megatron_core",
    "modules_to_save",
    "parent_library",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "trainable_token_indices",
    "velora_config",
};
/// Settings that AdapterConfig reads.
constexpr std::string_view kReadSettings[] = {"alpha_pattern", "init_lora_weights", "lora_alpha",
                                              "peft_type",     "use_dora",          "use_rslora"};
/// Initialisations that leave the base model's weights as they are.
constexpr std::string_view kPlainInitialisations[] = {"gaussian", "orthogonal", "eva", "mica"};

template <size_t N>
bool is_one_of(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Whether a setting's value is that of a feature which is off.
bool is_off(const Json& value) {
  return value.is_null() || value == false || value == 0 || value == "" ||
         (value.is_structured() && value.empty());
}

[[noreturn]] void refuse_setting(const std::string& source, const std::string& key,
                                 const Json& value, const std::string& why) {
  throw bad_data(source, escaped(key), " is ", quoted(one_line(value)), why);
}

void refuse_unknown_settings(const Json& config, const std::string& source) {
  for (const auto& [key, value] : config.items()) {
    if (is_one_of(kNeutralSettings, key) || is_one_of(kReadSettings, key) || is_off(value))
      continue;
    refuse_setting(source, key, value,
                   ", a setting that is not supported and may change the adapters: save them "
                   "without it");
  }
}

/// Refuses adapters that were trained on a base model whose weights changed at the start.
void check_initialisation(const Json& config, const std::string& source) {
  const auto found = config.find("init_lora_weights");
  if (found == config.end() || found->is_null() || found->is_boolean()) return;
  if (!found->is_string()) {
    throw_json_type_error(source, "init_lora_weights", *found, "true, false or a name");
  }
  if (is_one_of(kPlainInitialisations, found->get<std::string>())) return;
  refuse_setting(source, "init_lora_weights", *found,
                 ": the adapters fit a base model that this initialisation changed; convert them "
                 "with PEFT's save_pretrained(path_initial_model_for_weight_conversion=...)");
}

/// PEFT's rule (peft/utils/other.py, get_pattern_key): the path, or its end after a dot.
RegularExpression pattern_for(const std::string& key, const std::string& source) {
  try {
    return RegularExpression("(.*\\.)?(" + key + ")");
  } catch (const std::invalid_argument& error) {
    throw bad_data(source, quoted(key),
                   " in alpha_pattern is not a regular expression: ", error.what());
  }
}

/// A LoraConfig and the component that it is for, "" if it does not say.
struct FoundConfig {
  std::string component;
  Json config = Json::object();
  std::string source;
};

/// Splits metadata with keys "COMPONENT.SETTING" or "SETTING".
std::vector<FoundConfig> split_metadata(const Json& metadata, const std::string& source) {
  if (!metadata.is_object()) {
    throw Error(ExitStatus::kBadData, escaped(source), " is not a JSON object");
  }
  std::map<std::string, FoundConfig> found;
  for (const auto& [key, value] : metadata.items()) {
    const size_t dot = key.find('.');
    const std::string component = dot == std::string::npos ? "" : key.substr(0, dot);
    const auto& known = kAdaptedComponents;
    if (!component.empty() &&
        std::find(std::begin(known), std::end(known), component) == std::end(known)) {
      throw Error(ExitStatus::kBadData, escaped(source), " configures ", quoted(component),
                  ", which is not a part of SDXL: is the file for another model?");
    }
    FoundConfig& config = found[component];
    config.component = component;
    config.source = source;
    config.config[component.empty() ? key : key.substr(dot + 1)] = value;
  }
  std::vector<FoundConfig> configs;
  for (auto& [component, config] : found) configs.push_back(std::move(config));
  return configs;
}

std::vector<FoundConfig> find_configs(const SafetensorsFile& file) {
  auto metadata = file.metadata().find(kLoraMetadataKey);
  if (metadata != file.metadata().end()) {
    const std::string source = file.path().string() + " (" + kLoraMetadataKey + ")";
    return split_metadata(parse_json(metadata->second, source), source);
  }
  const fs::path beside = file.path().parent_path() / kPeftConfigFile;
  if (!fs::exists(beside)) return {};
  return {{"", read_json(beside), beside.string()}};
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

/// A layer's path as make_adapter_config() writes it: PEFT compares the ends of names, so that one
/// without "text_model." fits text encoders with and without it.
std::string peft_path(const LayerName& name) {
  return name.component == kUNetFolder ? name.path : without_text_model(name.path);
}

}  // namespace

AdapterConfig::AdapterConfig(const Json& config, const std::string& source) : source_(source) {
  if (!config.is_object()) {
    throw Error(ExitStatus::kBadData, escaped(source), " is not a JSON object");
  }
  const auto kind = config.find("peft_type");
  if (kind != config.end() && !kind->is_null() && *kind != "LORA") {
    refuse_setting(source, "peft_type", *kind, ": only \"LORA\" is supported");
  }
  refuse_unknown_settings(config, source);
  check_initialisation(config, source);
  read_alphas(config);
  rank_stabilised_ = json_value(config, "use_rslora", false, source);
  use_dora_ = json_value(config, "use_dora", false, source);
}

void AdapterConfig::read_alphas(const Json& config) {
  const auto alpha = config.find("lora_alpha");
  if (alpha != config.end() && !alpha->is_null()) alpha_ = checked_alpha("lora_alpha", *alpha);
  const auto patterns = config.find("alpha_pattern");
  if (patterns == config.end() || patterns->is_null()) return;
  if (!patterns->is_object()) {
    throw_json_type_error(source_, "alpha_pattern", *patterns, "an object");
  }
  for (const auto& [key, value] : patterns->items()) {
    patterns_.push_back({pattern_for(key, source_), checked_alpha("alpha_pattern", value)});
  }
}

double AdapterConfig::checked_alpha(const std::string& key, const Json& value) const {
  if (!value.is_number()) throw_json_type_error(source_, key, value, "a number");
  const double alpha = value.get<double>();
  if (!(alpha > 0)) refuse_setting(source_, key, value, ": an alpha must be above 0");
  return alpha;
}

double AdapterConfig::alpha_of(const LayerName& layer, int64_t rank) const {
  const std::string other_path = peft_path(layer);
  const auto matches = [&](const AlphaPattern& pattern) {
    return pattern.key.matches(layer.path) || pattern.key.matches(other_path);
  };
  const auto found = std::find_if(patterns_.begin(), patterns_.end(), matches);
  constexpr double kDefaultAlpha = 8;  // PEFT's
  const double alpha = found != patterns_.end() ? found->alpha : alpha_.value_or(kDefaultAlpha);
  return rank_stabilised_ ? alpha * std::sqrt(static_cast<double>(rank)) : alpha;
}

std::map<std::string, AdapterConfig> read_adapter_configs(const SafetensorsFile& file,
                                                          const std::set<std::string>& adapted) {
  std::map<std::string, AdapterConfig> configs;
  for (const FoundConfig& found : find_configs(file)) {
    std::string component = found.component;
    if (component.empty() && adapted.size() > 1) {
      throw Error(ExitStatus::kBadData, escaped(found.source), " does not say which of ",
                  join({adapted.begin(), adapted.end()}, ", "),
                  " it configures: save each part's adapters in a file");
    }
    if (component.empty() && !adapted.empty()) component = *adapted.begin();
    if (!configs.try_emplace(component, found.config, found.source).second) {
      throw Error(ExitStatus::kBadData, escaped(found.source), " configures ", component,
                  " twice, with and without its name");
    }
  }
  for (const std::string& component : adapted) {
    if (configs.empty() || configs.contains(component)) continue;
    throw bad_data(file.path().string(), "its configuration does not say the alpha of ", component,
                   "'s adapters");
  }
  return configs;
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
