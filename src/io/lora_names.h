// The names that weights of LoRA adapters go by in a directory.
#pragma once

#include <filesystem>

namespace sdxl {

/// As diffusers writes and reads them, and this program.
inline constexpr const char* kLoraWeights = "pytorch_lora_weights.safetensors";
inline constexpr const char* kLoraEmaWeights = "pytorch_lora_weights_ema.safetensors";
/// As ppdiffusers does.
inline constexpr const char* kPaddleLoraWeights = "paddle_lora_weights.safetensors";
/// What --save_kohya writes besides.
inline constexpr const char* kKohyaLoraWeights = "kohya_lora_weights.safetensors";
/// As PEFT does, in a folder for each part of a model.
inline constexpr const char* kPeftWeights = "adapter_model.safetensors";

/// The LoRA weights that a training script left in `directory`; empty if there are none.
inline std::filesystem::path lora_weights_in(const std::filesystem::path& directory) {
  for (const char* name : {kLoraWeights, kPaddleLoraWeights}) {
    if (std::filesystem::exists(directory / name)) return directory / name;
  }
  return {};
}

}  // namespace sdxl
