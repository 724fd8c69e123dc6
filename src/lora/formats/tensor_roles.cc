#include "lora/formats/tensor_roles.h"

#include <string_view>

namespace sdxl {
namespace {

struct RoleSuffix {
  std::string_view suffix;
  LoraRole role;
};

// Of two suffixes that both fit, the longer stands first.
constexpr RoleSuffix kRoleSuffixes[] = {
    {".lora.down.weight", LoraRole::kDown},
    {".lora.up.weight", LoraRole::kUp},
    {".lora_down.weight", LoraRole::kDown},
    {".lora_up.weight", LoraRole::kUp},
    {".lora_linear_layer.down.weight", LoraRole::kDown},
    {".lora_linear_layer.up.weight", LoraRole::kUp},
    {".lora_linear_layer.alpha", LoraRole::kAlpha},
    {".down.weight", LoraRole::kDown},
    {".up.weight", LoraRole::kUp},
    {".alpha", LoraRole::kAlpha},
    {".dora_scale", LoraRole::kMagnitude},
};

/// PEFT's names, which may be followed by the adapter's name and ".weight".
constexpr RoleSuffix kPeftRoles[] = {
    {".lora_A", LoraRole::kDown},
    {".lora_B", LoraRole::kUp},
    {".lora_magnitude_vector", LoraRole::kMagnitude},
};

struct KindMark {
  std::string_view mark, kind;
};
constexpr KindMark kOtherKinds[] = {
    {".hada_", "LoHa"},
    {".lokr_", "LoKr"},
    {".oft_", "OFT"},
    {".boft_", "BOFT"},
    {".lora_mid.", "LoCon with a Tucker core"},
    {".ia3_", "(IA)³"},
    {".on_input", "(IA)³"},
    {".a1.weight", "GLoRA"},
    {".w_norm", "LyCORIS with trained norms"},
    {".b_norm", "LyCORIS with trained norms"},
    {".diff", "weight differences"},
    {".vera_lambda_", "VeRA"},
    {".lora_E", "AdaLoRA"},
    {"lora_controlnet", "Control-LoRA"},
    {"bundle_emb.", "LoRA with textual-inversion embeddings"},
};

std::optional<LoraKey> split_peft_key(const std::string& key) {
  constexpr std::string_view kWeight = ".weight";
  for (const RoleSuffix& entry : kPeftRoles) {
    const size_t at = key.rfind(entry.suffix);
    if (at == std::string::npos) continue;
    std::string_view rest = std::string_view(key).substr(at + entry.suffix.size());
    const bool has_weight = rest.ends_with(kWeight);
    if (has_weight) rest.remove_suffix(kWeight.size());
    // Old versions of PEFT keep magnitudes as bare parameters.
    if (!has_weight && entry.role != LoraRole::kMagnitude) continue;
    if (rest.empty()) return LoraKey{key.substr(0, at), entry.role, ""};
    if (rest[0] != '.' || rest.find('.', 1) != std::string_view::npos) continue;
    return LoraKey{key.substr(0, at), entry.role, std::string(rest.substr(1))};
  }
  return std::nullopt;
}

}  // namespace

std::optional<LoraKey> split_lora_key(const std::string& key) {
  if (std::optional<LoraKey> split = split_peft_key(key)) return split;
  for (const RoleSuffix& entry : kRoleSuffixes) {
    if (!key.ends_with(entry.suffix)) continue;
    return LoraKey{key.substr(0, key.size() - entry.suffix.size()), entry.role, ""};
  }
  return std::nullopt;
}

std::string other_adapter_kind(const std::string& key) {
  for (const KindMark& entry : kOtherKinds) {
    if (key.find(entry.mark) != std::string::npos) return std::string(entry.kind);
  }
  return "";
}

}  // namespace sdxl
