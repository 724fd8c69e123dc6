#include "lora/lora_file.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/safetensors.h"
#include "lora/adapter_config.h"
#include "lora/formats/registry.h"
#include "lora/formats/tensor_roles.h"

namespace sdxl {
namespace {

namespace fs = std::filesystem;

/// A file of adapters, and the component that they adapt if its keys do not say it.
struct LoraSource {
  fs::path file;
  std::string component;
};

/// PEFT's adapters of each component in a folder of its name.
std::vector<LoraSource> peft_folders(const fs::path& directory) {
  std::vector<LoraSource> sources;
  for (const char* component : kAdaptedComponents) {
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

void refuse_other_adapters(const SafetensorsFile& file) {
  for (const SafetensorsEntry& entry : file.entries()) {
    if (!is_other_adapter_key(entry.name)) continue;
    throw Error(ExitStatus::kBadData,
                str(file.path().string(), ": ", quoted(entry.name),
                    " belongs to an adapter other than LoRA (LoHa, LoKr, OFT, LoCon with lora_mid "
                    "and IA3 are not supported)"));
  }
}

/// The format that `file` declares, else the first of those that most of its keys are in.
const LoraFormatEntry& format_of(const SafetensorsFile& file) {
  for (const LoraFormatEntry& entry : lora_formats()) {
    if (entry.format->is_declared_by(file)) return entry;
  }
  const LoraFormatEntry* best = nullptr;
  int64_t most = -1;
  for (const LoraFormatEntry& candidate : lora_formats()) {
    if (candidate.format->needs_declaration()) continue;
    int64_t count = 0;
    for (const SafetensorsEntry& entry : file.entries()) {
      const std::optional<LoraKey> key = split_lora_key(entry.name);
      if (key && candidate.format->parse(key->stem)) ++count;
    }
    if (count > most) {
      best = &candidate;
      most = count;
    }
  }
  return *best;
}

/// Refuses a stem of a format other than the file's: which of two layers' adapters would count?
void refuse_mixture(const SafetensorsFile& file, const LoraFormatEntry& format,
                    const std::string& stem) {
  for (const LoraFormatEntry& other : lora_formats()) {
    if (other.format->needs_declaration() || !other.format->parse(stem)) continue;
    throw Error(ExitStatus::kBadData,
                str(file.path().string(), ": ", quoted(stem), " is named as in files of ",
                    other.name, ", other keys as in those of ", format.name,
                    ": split the file, or name all layers alike"));
  }
}

[[noreturn]] void refuse_adapter(const std::string& source, const LayerName& layer,
                                 const std::string& what) {
  throw Error(ExitStatus::kBadData, str(source, ": the adapter of ", layer.text(), ' ', what));
}

/// Refuses what a tensor's shape alone shows to be wrong.
void check_scale(const std::string& source, const LayerName& layer, LoraRole role,
                 const std::string& key, const at::Tensor& tensor) {
  if (role == LoraRole::kAlpha && tensor.numel() != 1) {
    refuse_adapter(source, layer, str("has an alpha of ", tensor.numel(), " values"));
  }
  // LyCORIS can scale a layer's inputs, [1, in], instead of its outputs, [out, 1].
  if (key.ends_with(".dora_scale") && tensor.dim() > 1 && tensor.size(0) != tensor.numel()) {
    refuse_adapter(source, layer,
                   sdxl::str("has a DoRA scale ", tensor.sizes(),
                             " of its inputs, which is not supported; train with wd_on_output"));
  }
}

void check_layer(const std::string& source, const LayerName& name, LoraLayer* layer) {
  if (!layer->down.defined() || !layer->up.defined()) {
    refuse_adapter(source, name, layer->down.defined() ? "has no up matrix" : "has no down matrix");
  }
  const auto down = layer->down.sizes(), up = layer->up.sizes();
  if ((down.size() != 2 && down.size() != 4) || up.size() < 2 || down[0] == 0 || up[1] != down[0]) {
    refuse_adapter(source, name, sdxl::str("has shapes that do not fit: down ", down, ", up ", up));
  }
  if (layer->magnitude.defined()) {
    layer->magnitude = layer->magnitude.reshape({-1});
    if (layer->magnitude.size(0) != up[0]) {
      refuse_adapter(
          source, name,
          str("has a DoRA scale of ", layer->magnitude.size(0), " values for ", up[0], " outputs"));
    }
  }
}

void put_tensor(LoraRole role, at::Tensor tensor, bool transposed, LoraLayer* layer) {
  const bool is_matrix = role == LoraRole::kDown || role == LoraRole::kUp;
  if (is_matrix && transposed && tensor.dim() == 2) tensor = tensor.t();
  switch (role) {
    case LoraRole::kDown:
      layer->down = tensor;
      break;
    case LoraRole::kUp:
      layer->up = tensor;
      break;
    case LoraRole::kAlpha:
      layer->alpha = tensor.to(at::kFloat).reshape({-1})[0].item<double>();
      break;
    case LoraRole::kMagnitude:
      layer->magnitude = tensor;
      break;
  }
}

/// Gives layers without an alpha in the file the one of the configs, else their rank.
void complete_alphas(const std::map<std::string, AlphaRule>& rules, LoraWeights* weights) {
  for (auto& [name, layer] : weights->layers) {
    if (layer.alpha != 0) continue;
    auto rule = rules.find(name.component);
    layer.alpha = rule == rules.end() ? static_cast<double>(layer.rank())
                                      : rule->second.alpha_of(name.path, layer.rank());
  }
}

LoraWeights read_source(const LoraSource& source, const LayerNames& names) {
  const SafetensorsFile file(source.file);
  refuse_other_adapters(file);
  const LoraFormatEntry& format = format_of(file);
  LoraWeights weights;
  weights.source = file.path().string();
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::optional<LoraKey> key = split_lora_key(entry.name);
    std::optional<LayerName> layer = key ? format.format->parse(key->stem) : std::nullopt;
    if (key && !layer) refuse_mixture(file, format, key->stem);
    if (layer && !source.component.empty()) layer->component = source.component;
    if (layer) layer = names.find(*layer);
    if (!layer) {
      weights.unmatched.push_back(entry.name);
      continue;
    }
    const at::Tensor tensor = file.tensor(entry.name);
    check_scale(weights.source, *layer, key->role, entry.name, tensor);
    put_tensor(key->role, tensor, format.format->transposes_matrices(), &weights.layers[*layer]);
  }
  for (auto& [name, layer] : weights.layers) check_layer(weights.source, name, &layer);
  complete_alphas(read_alpha_rules(file, source.component), &weights);
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

}  // namespace sdxl
