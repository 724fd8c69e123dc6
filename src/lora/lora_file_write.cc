// Writing of LoRA files in the namings of diffusers, PEFT and kohya.
#include <algorithm>
#include <cmath>

#include "base/atomic_files.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/safetensors.h"
#include "lora/lora_file.h"
#include "models/original_names.h"

namespace sdxl {
namespace {

/// What occurs most often.
template <typename Counts>
auto most_frequent(const Counts& counts) {
  auto best = counts.begin();
  for (auto it = counts.begin(); it != counts.end(); ++it) {
    if (it->second > best->second) best = it;
  }
  return best->first;
}

Json number(double value) {
  if (value == std::floor(value)) return static_cast<int64_t>(value);
  return value;
}

/// PEFT compares the ends of names, so that this fits text encoders with and without "text_model.".
std::string peft_path(const LayerName& name) {
  return name.component == "unet" ? name.path : without_text_model(name.path);
}

/// As PEFT keeps a magnitude: [out], of a convolution [1, out, 1, 1].
at::Tensor peft_magnitude(const LoraLayer& layer) {
  return layer.down.dim() == 4 ? layer.magnitude.view({1, -1, 1, 1}) : layer.magnitude;
}

/// What PEFT's LoraConfig is made of, for one component; equal ranks and alphas are said once.
Json adapter_config(const LoraWeights& weights, const std::string& component) {
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
    if (layer.alpha != alpha) alpha_pattern[peft_path(name)] = number(layer.alpha);
  }
  return {{"r", rank},
          {"lora_alpha", number(alpha)},
          {"rank_pattern", rank_pattern},
          {"alpha_pattern", alpha_pattern},
          {"target_modules", targets},
          {"use_dora", dora}};
}

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
      tensors.emplace_back(name.text() + ".lora_magnitude_vector", peft_magnitude(layer));
    }
  }
  Json metadata = Json::object();
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    if (!weights.adapts(component)) continue;
    const Json config = adapter_config(weights, component);
    for (const auto& [key, value] : config.items()) metadata[str(component, '.', key)] = value;
  }
  write_safetensors(file, tensors, {{"format", "pt"}, {kLoraMetadataKey, metadata.dump(2)}});
}

void write_peft_lora(const fs::path& directory, const LoraWeights& weights) {
  AtomicDirectory result(directory);
  for (const char* component : {"unet", "text_encoder", "text_encoder_2"}) {
    if (!weights.adapts(component)) continue;
    std::vector<std::pair<std::string, at::Tensor>> tensors;
    for (const auto& [name, layer] : weights.layers) {
      if (name.component != component) continue;
      const std::string base = "base_model.model." + name.path;
      tensors.emplace_back(base + ".lora_A.weight", layer.down);
      tensors.emplace_back(base + ".lora_B.weight", layer.up);
      if (layer.magnitude.defined()) {
        tensors.emplace_back(base + ".lora_magnitude_vector", peft_magnitude(layer));
      }
    }
    Json config = adapter_config(weights, component);
    config.update({{"peft_type", "LORA"}, {"lora_dropout", 0.0}, {"bias", "none"}});
    const fs::path folder = result.working_path() / component;
    make_directories(folder);
    write_json(folder / "adapter_config.json", config);
    write_safetensors(folder / kPeftWeights, tensors);
  }
  result.commit(/*replace=*/true);
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
