// What a tensor of a LoRA file is to its layer, by the end of its key.
#pragma once

#include <optional>
#include <string>

namespace sdxl {

enum class LoraRole { kDown, kUp, kAlpha, kMagnitude };

/// A key without its role: "unet.mid_block.….to_q" and kDown of
/// "unet.mid_block.….to_q.lora_A.default.weight".
struct LoraKey {
  std::string stem;
  LoraRole role;
  std::string adapter;  ///< PEFT's name of the adapter ("default"), "" without one.
};

/// nullopt for a key that ends in no known role.
std::optional<LoraKey> split_lora_key(const std::string& key);

/// The kind of adapter, other than LoRA and DoRA, that only files with such keys hold ("LoHa"), or
/// "".
std::string other_adapter_kind(const std::string& key);

}  // namespace sdxl
