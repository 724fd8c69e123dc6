// Chooses the files of a repository that are needed.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "hub/api.h"

namespace sdxl {

/// Returns the paths of the needed files, out of all files of a repository.
using FileChoice = std::function<std::vector<std::string>(const std::vector<RepositoryFile>&)>;

/// Chooses the files that match one of the patterns (GlobStyle::kText, as huggingface_hub's
/// allow_patterns). A pattern that ends in '/' matches all files of that folder.
FileChoice matching(std::vector<std::string> patterns);

/// Chooses what is read of a model in diffusers' layout: every JSON file, and of each part ("unet",
/// "text_encoder", …; "" is the root) its tokenizer's files and its safetensors weights, those of
/// `variant` if there are any. The choice throws Error(kBadData) for a part with pickles only.
FileChoice model_parts(std::vector<std::string> parts, std::string variant);

/// Chooses the weights of LoRA adapters: kLoraWeights, or else every safetensors file of the root.
FileChoice lora_weights();

}  // namespace sdxl
