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
    {".lora_A.weight", LoraRole::kDown},
    {".lora_B.weight", LoraRole::kUp},
    {".lora_A.default.weight", LoraRole::kDown},
    {".lora_B.default.weight", LoraRole::kUp},
    {".down.weight", LoraRole::kDown},
    {".up.weight", LoraRole::kUp},
    {".alpha", LoraRole::kAlpha},
    {".dora_scale", LoraRole::kMagnitude},
    {".lora_magnitude_vector.default.weight", LoraRole::kMagnitude},
    {".lora_magnitude_vector.weight", LoraRole::kMagnitude},
    {".lora_magnitude_vector", LoraRole::kMagnitude},
};

constexpr std::string_view kOtherAdapters[] = {".hada_w",   ".lokr_w",    ".oft_blocks",
                                               ".oft_diag", ".lora_mid.", ".ia3_"};

}  // namespace

std::optional<LoraKey> split_lora_key(const std::string& key) {
  for (const RoleSuffix& entry : kRoleSuffixes) {
    if (key.ends_with(entry.suffix)) {
      return LoraKey{key.substr(0, key.size() - entry.suffix.size()), entry.role};
    }
  }
  return std::nullopt;
}

bool is_other_adapter_key(const std::string& key) {
  for (const std::string_view mark : kOtherAdapters) {
    if (key.find(mark) != std::string::npos) return true;
  }
  return false;
}

}  // namespace sdxl
