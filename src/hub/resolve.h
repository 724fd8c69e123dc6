// A model or data set that a user names: a path, or a repository of the Hub that is fetched first.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "hub/api.h"
#include "hub/options.h"

namespace sdxl {

/// Chooses, out of all files of a repository, those that are needed.
using FileChoice = std::function<std::vector<std::string>(const std::vector<RepositoryFile>&)>;

/// Files that match one of the patterns (* and ? also match /, as in huggingface_hub).
FileChoice matching(std::vector<std::string> patterns);

/// What is read of a model in the layout of diffusers: every JSON file, and of each part ("unet",
/// "text_encoder", …; "" is the root) its weights in safetensors (of `variant` where there are
/// such) and its tokenizer's files. Error(kBadData), when called, for a part that has weights only
/// as pickles.
FileChoice model_parts(std::vector<std::string> parts, std::string variant);

/// The weights of LoRA adapters: pytorch_lora_weights.safetensors, else every safetensors file.
FileChoice lora_weights();

/// A path that exists is returned as it is. Else `name_or_path` is a repository: the files that
/// `choice` names are brought into the cache, and the directory of their snapshot is returned.
/// Nothing is asked of the network if options.offline is set or the revision is a commit of which
/// all is there. Error(kUsage) for what is neither; Error(kUnavailable), Error(kBadData),
/// Error(kFileError).
std::filesystem::path resolve_repository(const std::string& name_or_path, RepositoryKind kind,
                                         const FileChoice& choice, const HubOptions& options);
/// The same for what is a repository whether or not there is such a path.
std::filesystem::path fetch_repository(const std::string& id, RepositoryKind kind,
                                       const FileChoice& choice, const HubOptions& options);

}  // namespace sdxl
