// What the options that name a model stand for, as directories on disk.
#pragma once

#include <filesystem>
#include <string>

#include "config/common_config.h"

namespace sdxl {

/// --pretrained_model_name_or_path: a directory as it is; a single file as a directory whose
/// weights are views of it, with configs and tokenizers of --single_file_config.
std::filesystem::path model_directory(const std::string& name_or_path, const CommonConfig& config);

/// --unet ("unet") and --pretrained_vae_model_name_or_path ("vae"): the directory of the part,
/// which of a single file, whole or of this part alone, is a view.
std::filesystem::path part_directory(const std::string& name_or_path, const std::string& folder,
                                     const CommonConfig& config);

/// --single_file_config as a directory; of a repository all but its weights is fetched.
std::filesystem::path single_file_configs(const CommonConfig& config);

}  // namespace sdxl
