// Reading of LoRA files in all formats (formats/registry.h), which also write them.
#pragma once

#include <filesystem>
#include <vector>

#include "lora/layer_names.h"
#include "lora/lora_weights.h"

namespace sdxl {

/// Reads a file, or a directory that holds pytorch_lora_weights.safetensors,
/// paddle_lora_weights.safetensors, adapter_model.safetensors or a single .safetensors, or PEFT's
/// adapters of each component in a folder of its name. Keys that name no layer of `names` are
/// collected in `unmatched`. Error(kBadData) for a malformed or empty file, for shapes that do not
/// fit together, and for kinds of adapters other than LoRA and DoRA; Error(kFileError) if `path`
/// does not exist.
LoraWeights read_lora(const std::filesystem::path& path, const LayerNames& names);

/// The files that read_lora(path) would read.
std::vector<std::filesystem::path> find_lora_files(const std::filesystem::path& path);

}  // namespace sdxl
