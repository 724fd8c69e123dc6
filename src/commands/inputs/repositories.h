// Models and data sets by name: a path, or a repository of the Hub that is fetched into its cache.
// Everything returned is a local path.
#pragma once

#include <filesystem>
#include <string>

#include "config/common_config.h"
#include "hub/resolve.h"

namespace sdxl {

/// How to reach the Hub: the environment's settings with --cache_dir and --offline. --revision is
/// left out, since it names a revision of the model's repository alone.
HubOptions hub_options(const HubConfig& config);

/// Resolves `name`, the value of --`option`, to a path; fetches what `choice` picks if it is a
/// repository. Errors name the option.
std::filesystem::path local_model(const std::string& option, const std::string& name,
                                  const FileChoice& choice, const HubOptions& options);
/// The same for --dataset_name; a repository's training split is fetched as by fetch_dataset().
std::filesystem::path local_dataset(const std::string& name, const std::string& config_name,
                                    const HubOptions& options);

/// Fetches the training split of a data set's repository: the files that its README lists, or that
/// their names assign to the split. Returns the snapshot's directory.
std::filesystem::path fetch_dataset(const std::string& id, const std::string& config_name,
                                    const HubOptions& options);

/// Turns --pretrained_model_name_or_path, already local, into a pipeline directory. A single file
/// becomes a directory of views on its weights, with configs and tokenizers from
/// --single_file_config. Error(kBadData) for a file that is not safetensors.
std::filesystem::path model_directory(const std::string& path, const CommonConfig& config);

/// The same for one part: --unet (`folder` "unet") or --pretrained_vae_model_name_or_path ("vae").
/// A single file may hold a whole model or the part alone.
std::filesystem::path part_directory(const std::string& path, const std::string& folder,
                                     const CommonConfig& config);

/// --single_file_config as a directory. Of a repository everything but the weights is fetched.
std::filesystem::path single_file_configs(const CommonConfig& config);

/// Picks what `sdxl` reads from a model's repository: a pipeline, a part of one, or LoRA weights.
FileChoice default_model_files(const std::string& variant);

}  // namespace sdxl
