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
#include "io/model_files.h"
#include "io/safetensors.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

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

/// What a tensor's shape alone shows to be no alpha or no scale of the outputs.
void check_scale(const std::string& source, const LayerName& layer, Role role,
                 const std::string& name, const at::Tensor& tensor) {
  if (role == Role::kAlpha && tensor.numel() != 1) {
    refuse_shape(source, layer, str("has an alpha of ", tensor.numel(), " values"));
  }
  // LyCORIS can scale a layer's inputs, [1, in], instead of its outputs, [out, 1].
  if (name.ends_with(".dora_scale") && tensor.dim() > 1 && tensor.size(0) != tensor.numel()) {
    refuse_shape(source, layer,
                 sdxl::str("has a DoRA scale ", tensor.sizes(),
                           " of its inputs, which is not supported; train with wd_on_output"));
  }
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

/// A file of adapters and, where its names do not say it, the part that they are of.
struct LoraSource {
  fs::path file;
  std::string component;
};

/// The file's metadata, else PEFT's adapter_config.json beside it.
std::map<std::string, AlphaRule> alpha_rules(const SafetensorsFile& file,
                                             const std::string& component) {
  std::map<std::string, AlphaRule> rules;
  auto found = file.metadata().find(kLoraMetadataKey);
  if (found != file.metadata().end()) {
    const std::string source = file.path().string() + " (" + kLoraMetadataKey + ")";
    const Json config = parse_json(found->second, source);
    for (const char* part : {"unet", "text_encoder", "text_encoder_2"}) {
      rules[part] = alpha_rule(config, str(part, "."), source);
    }
  } else if (fs::exists(file.path().parent_path() / "adapter_config.json")) {
    const fs::path config = file.path().parent_path() / "adapter_config.json";
    rules[component.empty() ? "unet" : component] =
        alpha_rule(read_json(config), "", config.string());
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

namespace {

/// PEFT's adapters of each part in a folder of its own.
std::vector<LoraSource> peft_folders(const fs::path& directory) {
  std::vector<LoraSource> sources;
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    if (fs::exists(directory / component / kPeftWeights)) {
      sources.push_back({directory / component / kPeftWeights, component});
    }
  }
  return sources;
}

std::vector<LoraSource> lora_sources(const fs::path& path) {
  if (!fs::is_directory(path)) {
    if (!fs::exists(path)) {
      throw Error(ExitStatus::kFileError, str("LoRA ", quoted(path.string()), " does not exist"));
    }
    return {{path, ""}};
  }
  for (const char* name : {kLoraWeights, kPeftWeights, kPaddleLoraWeights}) {
    if (fs::exists(path / name)) return {{path / name, ""}};
  }
  std::vector<LoraSource> candidates = peft_folders(path);
  if (!candidates.empty()) return candidates;
  for (const auto& entry : fs::directory_iterator(path)) {
    if (entry.path().extension() == ".safetensors") candidates.push_back({entry.path(), ""});
  }
  if (candidates.size() == 1) return candidates;
  throw Error(ExitStatus::kBadData,
              str("LoRA ", quoted(path.string()), " holds ", candidates.size(),
                  " .safetensors files, none named ", kLoraWeights, ": name the file"));
}

void put(Role role, at::Tensor tensor, bool transposed, LoraLayer* layer) {
  if (tensor.dim() == 2 && transposed && (role == Role::kDown || role == Role::kUp)) {
    tensor = tensor.t();
  }
  switch (role) {
    case Role::kDown:
      layer->down = tensor;
      break;
    case Role::kUp:
      layer->up = tensor;
      break;
    case Role::kAlpha:
      layer->alpha = tensor.to(at::kFloat).reshape({-1})[0].item<double>();
      break;
    case Role::kMagnitude:
      layer->magnitude = tensor;
      break;
  }
}

LoraWeights read_source(const LoraSource& source, const LayerNames& names) {
  const SafetensorsFile file(source.file);
  refuse_other_kinds(file);
  LoraWeights weights;
  weights.source = file.path().string();
  const bool transposed = is_paddle(file);
  const std::string prefix = source.component.empty() ? "" : source.component + ".";
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::optional<Key> key = parse_key(entry.name);
    const std::optional<LayerName> layer = key ? names.find(prefix + key->layer) : std::nullopt;
    if (!layer) {
      weights.unmatched.push_back(entry.name);
    } else {
      const at::Tensor tensor = file.tensor(entry.name);
      check_scale(weights.source, *layer, key->role, entry.name, tensor);
      put(key->role, tensor, transposed, &weights.layers[*layer]);
    }
  }
  for (auto& [name, layer] : weights.layers) check_layer(weights.source, name, &layer);
  apply_alpha_rules(alpha_rules(file, source.component), &weights);
  return weights;
}

}  // namespace

std::vector<fs::path> find_lora_files(const fs::path& path) {
  std::vector<fs::path> files;
  for (const LoraSource& source : lora_sources(path)) files.push_back(source.file);
  return files;
}

LoraWeights read_lora(const fs::path& path, const LayerNames& names) {
  const std::vector<LoraSource> sources = lora_sources(path);
  LoraWeights weights = read_source(sources.front(), names);
  for (size_t i = 1; i < sources.size(); ++i) {
    LoraWeights more = read_source(sources[i], names);
    weights.layers.merge(more.layers);
    weights.unmatched.insert(weights.unmatched.end(), more.unmatched.begin(), more.unmatched.end());
  }
  if (weights.layers.empty() && weights.unmatched.empty()) {
    throw Error(ExitStatus::kBadData, str("LoRA ", quoted(path.string()),
                                          " holds no tensors: was its saving cut short?"));
  }
  return weights;
}

void require_all_matched(const LoraWeights& weights, const std::string& remedy) {
  if (weights.unmatched.empty()) return;
  constexpr size_t kShown = 20;
  const size_t shown = std::min(kShown, weights.unmatched.size());
  const std::vector<std::string> first(
      weights.unmatched.begin(), weights.unmatched.begin() + static_cast<std::ptrdiff_t>(shown));
  throw Error(
      ExitStatus::kBadData,
      str(weights.source, ": ", weights.unmatched.size(),
          " tensors match no layer of this model: ", escaped(join(first, ", ")),
          weights.unmatched.size() > kShown ? ", …" : "", "; is it for another model? ", remedy));
}

}  // namespace sdxl
