#include "lora/lora_file.h"

#include <algorithm>
#include <optional>
#include <set>

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
      throw Error(ExitStatus::kFileError, "LoRA ", quoted(path.string()), " does not exist");
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
  throw Error(ExitStatus::kBadData, "LoRA ", quoted(path.string()), " holds ", candidates.size(),
              " .safetensors files, none named ", kLoraWeights, ": name the file");
}

void refuse_other_adapters(const SafetensorsFile& file) {
  std::string first, kind;
  int64_t count = 0;
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::string found = other_adapter_kind(entry.name);
    if (found.empty()) continue;
    if (count++ == 0) first = entry.name, kind = found;
  }
  if (count == 0) return;
  throw bad_data(file.path().string(), count, " of ", file.entries().size(), " tensors, the first ",
                 quoted(first), ", are those of another kind of adapter (", kind,
                 "); only LoRA and DoRA are supported");
}

/// Refuses a file with several of PEFT's adapters, of which each layer could take only one.
void refuse_several_adapters(const SafetensorsFile& file) {
  std::set<std::string> adapters;
  for (const SafetensorsEntry& entry : file.entries()) {
    if (const std::optional<LoraKey> key = split_lora_key(entry.name))
      adapters.insert(key->adapter);
  }
  adapters.erase("");
  if (adapters.size() < 2) return;
  throw Error(ExitStatus::kBadData, file.path().string(), " holds the adapters ",
              escaped(join({adapters.begin(), adapters.end()}, ", ")),
              ": save each of them in a file");
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
    throw bad_data(file.path().string(), quoted(stem), " is named as in files of ", other.name,
                   ", other keys as in those of ", format.name,
                   ": split the file, or name all layers alike");
  }
}

[[noreturn]] void refuse_adapter(const std::string& source, const LayerName& layer,
                                 const std::string& what) {
  throw bad_data(source, "the adapter of ", layer.text(), ' ', what);
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

/// A layer while it is read.
struct StoredLayer {
  LoraLayer layer;
  std::optional<double> alpha;  ///< If the file gives one.
};

void put_tensor(LoraRole role, at::Tensor tensor, bool transposed, StoredLayer* stored) {
  LoraLayer* layer = &stored->layer;
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
      stored->alpha = tensor.to(at::kFloat).reshape({-1})[0].item<double>();
      break;
    case LoraRole::kMagnitude:
      layer->magnitude = tensor;
      break;
  }
}

/// The layers of a file by name, and keys that name no layer.
struct StoredLayers {
  std::map<LayerName, StoredLayer> layers;
  std::vector<std::string> unmatched;
  std::map<std::string, int64_t> absent;  ///< As LoraWeights::absent.
};

StoredLayers read_tensors(const SafetensorsFile& file, const std::string& component,
                          const LayerNames& names) {
  const LoraFormatEntry& format = format_of(file);
  StoredLayers stored;
  for (const SafetensorsEntry& entry : file.entries()) {
    const std::optional<LoraKey> key = split_lora_key(entry.name);
    std::optional<LayerName> named = key ? format.format->parse(key->stem) : std::nullopt;
    if (key && !named) refuse_mixture(file, format, key->stem);
    if (named && !component.empty()) named->component = component;
    const std::optional<LayerName> layer = named ? names.find(*named) : std::nullopt;
    if (!layer) {
      stored.unmatched.push_back(entry.name);
      if (named && !names.contains(named->component)) ++stored.absent[named->component];
      continue;
    }
    const at::Tensor tensor = file.tensor(entry.name);
    check_scale(file.path().string(), *layer, key->role, entry.name, tensor);
    put_tensor(key->role, tensor, format.format->transposes_matrices(), &stored.layers[*layer]);
  }
  return stored;
}

/// The configs of adapters whose file does not give their alphas.
std::map<std::string, AdapterConfig> configs_of(const SafetensorsFile& file,
                                                const std::map<LayerName, StoredLayer>& layers) {
  std::set<std::string> adapted;
  bool lacks_alphas = false;
  for (const auto& [name, stored] : layers) {
    adapted.insert(name.component);
    lacks_alphas |= !stored.alpha;
  }
  return lacks_alphas ? read_adapter_configs(file, adapted)
                      : std::map<std::string, AdapterConfig>();
}

/// Checks a layer and gives it an alpha: the file's, else the config's, else the rank.
LoraLayer finished(const std::string& source, const LayerName& name, StoredLayer stored,
                   const AdapterConfig* config) {
  LoraLayer layer = std::move(stored.layer);
  check_layer(source, name, &layer);
  if (stored.alpha && !(*stored.alpha > 0)) {
    refuse_adapter(source, name, str("has alpha ", *stored.alpha, "; an alpha must be above 0"));
  }
  if (config && config->uses_dora() && !layer.magnitude.defined()) {
    refuse_adapter(source, name, "has no magnitude, though its configuration says use_dora");
  }
  const auto rank = static_cast<double>(layer.rank());
  layer.alpha = stored.alpha ? *stored.alpha : config ? config->alpha_of(name, layer.rank()) : rank;
  return layer;
}

LoraWeights read_source(const LoraSource& source, const LayerNames& names) {
  const SafetensorsFile file(source.file);
  refuse_other_adapters(file);
  refuse_several_adapters(file);
  StoredLayers stored = read_tensors(file, source.component, names);
  const std::map<std::string, AdapterConfig> configs = configs_of(file, stored.layers);
  LoraWeights weights;
  weights.source = file.path().string();
  weights.unmatched = std::move(stored.unmatched);
  weights.absent = std::move(stored.absent);
  for (auto& [name, layer] : stored.layers) {
    const auto config = configs.find(name.component);
    weights.layers[name] = finished(weights.source, name, std::move(layer),
                                    config == configs.end() ? nullptr : &config->second);
  }
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
    weights.absent.merge(more.absent);
  }
  if (weights.layers.empty() && weights.unmatched.empty()) {
    throw Error(ExitStatus::kBadData, "LoRA ", quoted(path.string()),
                " holds no tensors: was its saving cut short?");
  }
  return weights;
}

}  // namespace sdxl
