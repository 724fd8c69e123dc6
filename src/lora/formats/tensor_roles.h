// What a tensor of a LoRA file is to its layer, by the end of its key.
#pragma once

#include <optional>
#include <string>

namespace sdxl {

enum class LoraRole { kDown, kUp, kAlpha, kMagnitude };

/// A key cut in two: "unet.mid_block.….to_q" and kDown of "unet.mid_block.….to_q.lora.down.weight".
struct LoraKey {
  std::string stem;
  LoraRole role;
};

/// nullopt for a key that ends in no known role.
std::optional<LoraKey> split_lora_key(const std::string& key);

/// Whether `key` belongs to a kind of adapter other than LoRA and DoRA: LoHa, LoKr, OFT, (IA)³, or
/// LoCon with a Tucker core.
bool is_other_adapter_key(const std::string& key);

}  // namespace sdxl
