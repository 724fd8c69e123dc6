// Reading: each tensor's name is cut into the layer's name and the role; layers are found by
// LayerNames; Paddle's transposed matrices are turned back.
#include "lora/lora_file.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "io/safetensors.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kMetadataKey = "lora_adapter_metadata";

enum class Role { kDown, kUp, kAlpha, kMagnitude };

struct Key {
  std::string layer;
  Role role;
};

struct RoleSuffix {
  const char* suffix;
  Role role;
};
// The longer of two that fit stands first.
constexpr std::array<RoleSuffix, 16> kSuffixes = {{
    {".lora.down.weight", Role::kDown},
    {".lora.up.weight", Role::kUp},
    {".lora_down.weight", Role::kDown},
    {".lora_up.weight", Role::kUp},
    {".lora_linear_layer.down.weight", Role::kDown},
    {".lora_linear_layer.up.weight", Role::kUp},
    {".lora_A.weight", Role::kDown},
    {".lora_B.weight", Role::kUp},
    {".lora_A.default.weight", Role::kDown},
    {".lora_B.default.weight", Role::kUp},
    {".down.weight", Role::kDown},
    {".up.weight", Role::kUp},
    {".alpha", Role::kAlpha},
    {".dora_scale", Role::kMagnitude},
    {".lora_magnitude_vector.default.weight", Role::kMagnitude},
    {".lora_magnitude_vector.weight", Role::kMagnitude},
}};

std::optional<Key> parse_key(const std::string& name) {
  for (const RoleSuffix& entry : kSuffixes) {
    if (name.ends_with(entry.suffix)) {
      return Key{name.substr(0, name.size() - std::string_view(entry.suffix).size()), entry.role};
    }
  }
  constexpr std::string_view kMagnitude = ".lora_magnitude_vector";
  if (name.ends_with(kMagnitude)) {
    return Key{name.substr(0, name.size() - kMagnitude.size()), Role::kMagnitude};
  }
  return std::nullopt;
}

/// Adapters that only look like LoRA.
void refuse_other_kinds(const SafetensorsFile& file) {
  for (const SafetensorsEntry& entry : file.entries()) {
    for (const char* mark :
         {".hada_w", ".lokr_w", ".oft_blocks", ".oft_diag", ".lora_mid.", ".ia3_"}) {
      if (entry.name.find(mark) == std::string::npos) continue;
      throw Error(ExitStatus::kBadData,
                  str(file.path().string(), ": ", quoted(entry.name),
                      " belongs to an adapter that is no LoRA (LoHa, LoKr, OFT, "
                      "LoCon with lora_mid and IA3 are not supported)"));
    }
  }
}

bool is_paddle(const SafetensorsFile& file) {
  auto format = file.metadata().find("format");
  if (format != file.metadata().end()) return format->second == "pd";
  return file.path().filename().string().rfind("paddle_", 0) == 0;
}

[[noreturn]] void refuse_shape(const std::string& source, const LayerName& layer,
                               const std::string& what) {
  throw Error(ExitStatus::kBadData, str(source, ": the adapter of ", layer.text(), ' ', what));
}

void check_layer(const std::string& source, const LayerName& name, LoraLayer* layer) {
  if (!layer->down.defined() || !layer->up.defined()) {
    refuse_shape(source, name, layer->down.defined() ? "has no up matrix" : "has no down matrix");
  }
  const auto down = layer->down.sizes(), up = layer->up.sizes();
  if ((down.size() != 2 && down.size() != 4) || up.size() < 2 || down[0] == 0 || up[1] != down[0]) {
    refuse_shape(source, name, sdxl::str("has shapes that do not fit: down ", down, ", up ", up));
  }
  if (layer->magnitude.defined()) {
    layer->magnitude = layer->magnitude.reshape({-1});
    if (layer->magnitude.size(0) != up[0]) {
      refuse_shape(
          source, name,
          str("has a DoRA scale of ", layer->magnitude.size(0), " values for ", up[0], " outputs"));
    }
  }
}

/// rank and alpha as PEFT's configurations give them, below the component's prefix.
struct AlphaRule {
  std::optional<double> alpha;
  Json pattern = Json::object();
  bool rank_stabilised = false;

  std::optional<double> alpha_of(const std::string& path) const {
    for (const auto& [key, value] : pattern.items()) {
      if (path == key || path.ends_with("." + key)) return value.get<double>();
    }
    return alpha;
  }
};

AlphaRule alpha_rule(const Json& config, const std::string& prefix, const std::string& source) {
  AlphaRule rule;
  if (config.contains(prefix + "lora_alpha")) {
    rule.alpha = json_value(config, prefix + "lora_alpha", 0.0, source);
  }
  const Json pattern = json_value(config, prefix + "alpha_pattern", Json::object(), source);
  for (const auto& [key, value] : pattern.items()) {
    if (!value.is_number())
      throw_json_type_error(source, prefix + "alpha_pattern", pattern, "numbers");
  }
  rule.pattern = pattern;
  rule.rank_stabilised = json_value(config, prefix + "use_rslora", false, source);
  return rule;
}

/// The file's metadata, else PEFT's adapter_config.json beside it.
std::map<std::string, AlphaRule> alpha_rules(const SafetensorsFile& file) {
  std::map<std::string, AlphaRule> rules;
  auto found = file.metadata().find(kMetadataKey);
  if (found != file.metadata().end()) {
    const std::string source = file.path().string() + " (" + kMetadataKey + ")";
    const Json config = parse_json(found->second, source);
    for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
      rules[component] = alpha_rule(config, str(component, "."), source);
    }
  } else if (fs::exists(file.path().parent_path() / "adapter_config.json")) {
    const fs::path config = file.path().parent_path() / "adapter_config.json";
    rules["unet"] = alpha_rule(read_json(config), "", config.string());
  }
  return rules;
}

void apply_alpha_rules(const std::map<std::string, AlphaRule>& rules, LoraWeights* weights) {
  for (auto& [name, layer] : weights->layers) {
    auto rule = rules.find(name.component);
    const auto rank = static_cast<double>(layer.rank());
    if (layer.alpha == 0 && rule != rules.end()) {
      layer.alpha = rule->second.alpha_of(name.path).value_or(rank);
      if (rule->second.rank_stabilised) layer.alpha *= std::sqrt(rank);
    }
    if (layer.alpha == 0) layer.alpha = rank;
  }
}

}  // namespace

bool LoraWeights::adapts(const std::string& component) const {
  auto first = layers.lower_bound({component, ""});
  return first != layers.end() && first->first.component == component;
}

fs::path find_lora_file(const fs::path& path) {
  if (!fs::is_directory(path)) {
    if (!fs::exists(path)) {
      throw Error(ExitStatus::kFileError, str("LoRA ", quoted(path.string()), " does not exist"));
    }
    return path;
  }
  for (const char* name : {"pytorch_lora_weights.safetensors", "adapter_model.safetensors",
                           "paddle_lora_weights.safetensors"}) {
    if (fs::exists(path / name)) return path / name;
  }
  std::vector<fs::path> candidates;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".safetensors") candidates.push_back(entry.path());
  }
  if (candidates.size() == 1) return candidates.front();
  throw Error(
      ExitStatus::kBadData,
      str("LoRA ", quoted(path.string()), " holds ", candidates.size(),
          " .safetensors files, none named pytorch_lora_weights.safetensors: name the file"));
}

LoraWeights read_lora(const fs::path& path, const LayerNames& names) {
  const SafetensorsFile file(find_lora_file(path));
  refuse_other_kinds(file);
  LoraWeights weights;
  weights.source = file.path().string();
  const bool transposed = is_paddle(file);
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::optional<Key> key = parse_key(entry.name);
    const std::optional<LayerName> layer = key ? names.find(key->layer) : std::nullopt;
    if (!layer) {
      weights.unmatched.push_back(entry.name);
      continue;
    }
    at::Tensor tensor = file.tensor(entry.name);
    LoraLayer& target = weights.layers[*layer];
    const bool matrix = tensor.dim() == 2 && transposed;
    switch (key->role) {
      case Role::kDown:
        target.down = matrix ? tensor.t() : tensor;
        break;
      case Role::kUp:
        target.up = matrix ? tensor.t() : tensor;
        break;
      case Role::kAlpha:
        target.alpha = tensor.to(at::kFloat).reshape({-1})[0].item<double>();
        break;
      case Role::kMagnitude:
        target.magnitude = tensor;
        break;
    }
  }
  for (auto& [name, layer] : weights.layers) check_layer(weights.source, name, &layer);
  apply_alpha_rules(alpha_rules(file), &weights);
  return weights;
}

void require_all_matched(const LoraWeights& weights) {
  if (weights.unmatched.empty()) return;
  std::vector<std::string> first(
      weights.unmatched.begin(),
      weights.unmatched.begin() + std::min<size_t>(5, weights.unmatched.size()));
  throw Error(ExitStatus::kBadData,
              str(weights.source, ": ", weights.unmatched.size(),
                  " tensors match no layer of this model: ", escaped(join(first, ", ")),
                  weights.unmatched.size() > 5 ? ", …" : "",
                  "; is it for another model? --lora_allow_unmatched goes on without them"));
}

namespace {

/// PEFT compares the ends of names, so that this fits text encoders with and without "text_model.".
std::string peft_path(const LayerName& name) {
  return name.component == "unet" ? name.path : without_text_model(name.path);
}

/// What PEFT's LoraConfig is made of, for one component; equal ranks and alphas are said once.
void add_metadata(const LoraWeights& weights, const std::string& component, Json* metadata) {
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
  auto most = [](const auto& counts) {
    auto best = counts.begin();
    for (auto it = counts.begin(); it != counts.end(); ++it) {
      if (it->second > best->second) best = it;
    }
    return best->first;
  };
  const int64_t rank = most(ranks);
  const double alpha = most(alphas);
  Json rank_pattern = Json::object(), alpha_pattern = Json::object();
  for (const auto& [name, layer] : weights.layers) {
    if (name.component != component) continue;
    if (layer.rank() != rank) rank_pattern[peft_path(name)] = layer.rank();
    if (layer.alpha != alpha) alpha_pattern[peft_path(name)] = layer.alpha;
  }
  const std::string prefix = component + ".";
  (*metadata)[prefix + "r"] = rank;
  if (alpha == std::floor(alpha)) {
    (*metadata)[prefix + "lora_alpha"] = static_cast<int64_t>(alpha);
  } else {
    (*metadata)[prefix + "lora_alpha"] = alpha;
  }
  (*metadata)[prefix + "rank_pattern"] = rank_pattern;
  (*metadata)[prefix + "alpha_pattern"] = alpha_pattern;
  (*metadata)[prefix + "target_modules"] = targets;
  (*metadata)[prefix + "use_dora"] = dora;
}

}  // namespace

namespace {

bool is_attention(const LayerName& name) {
  return name.path.ends_with(".to_q") || name.path.ends_with(".to_k") ||
         name.path.ends_with(".to_v") || name.path.ends_with(".to_out.0");
}

struct MatrixNames {
  const char *down, *up;
};

/// How diffusers calls the two matrices. Of a UNet's attention it has names of its own, of other
/// layers PEFT's. A file that has both it writes but does not read (it looks at the first name and
/// leaves the others out), so that PEFT's stand for all where not only attention is adapted.
MatrixNames diffusers_names(const std::string& component, bool only_attention) {
  if (component != "unet") {
    return {".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"};
  }
  if (only_attention) return {".lora.down.weight", ".lora.up.weight"};
  return {".lora_A.weight", ".lora_B.weight"};
}

}  // namespace

void write_diffusers_lora(const fs::path& file, const LoraWeights& weights) {
  const bool only_attention =
      std::all_of(weights.layers.begin(), weights.layers.end(), [](const auto& entry) {
        return entry.first.component != "unet" || is_attention(entry.first);
      });
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, layer] : weights.layers) {
    const MatrixNames names = diffusers_names(name.component, only_attention);
    tensors.emplace_back(name.text() + names.down, layer.down);
    tensors.emplace_back(name.text() + names.up, layer.up);
    if (layer.magnitude.defined()) {
      const at::Tensor magnitude =
          layer.down.dim() == 4 ? layer.magnitude.view({1, -1, 1, 1}) : layer.magnitude;
      tensors.emplace_back(name.text() + ".lora_magnitude_vector", magnitude);
    }
  }
  Json metadata = Json::object();
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    if (weights.adapts(component)) add_metadata(weights, component, &metadata);
  }
  write_safetensors(file, tensors, {{"format", "pt"}, {kMetadataKey, metadata.dump(2)}});
}

void write_kohya_lora(const fs::path& file, const LoraWeights& weights,
                      const UNet2DConditionConfig& unet) {
  const std::map<std::string, std::string> prefixes = {
      {"unet", "lora_unet_"}, {"text_encoder", "lora_te1_"}, {"text_encoder_2", "lora_te2_"}};
  std::vector<std::pair<std::string, at::Tensor>> tensors;
  for (const auto& [name, layer] : weights.layers) {
    std::string path = name.component == "unet" ? original_unet_name(name.path, unet)
                                                : "text_model." + without_text_model(name.path);
    std::replace(path.begin(), path.end(), '.', '_');
    const std::string base = prefixes.at(name.component) + path;
    tensors.emplace_back(base + ".lora_down.weight", layer.down);
    tensors.emplace_back(base + ".lora_up.weight", layer.up);
    tensors.emplace_back(base + ".alpha", at::scalar_tensor(layer.alpha, at::kFloat));
    if (layer.magnitude.defined()) {
      const auto shape =
          layer.down.dim() == 4 ? std::vector<int64_t>{-1, 1, 1, 1} : std::vector<int64_t>{-1, 1};
      tensors.emplace_back(base + ".dora_scale", layer.magnitude.view(shape));
    }
  }
  write_safetensors(file, tensors,
                    {{"format", "pt"},
                     {"ss_network_module", "networks.lora"},
                     {"ss_base_model_version", "sdxl_base_v1-0"},
                     {"modelspec.architecture", "stable-diffusion-xl-v1-base/lora"}});
}

}  // namespace sdxl
