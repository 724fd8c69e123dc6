// Models and data sets by name: what a user gives is a path, or a repository of the Hub that is
// brought into its cache first. From here on everything is local.
#pragma once

#include <filesystem>
#include <string>

#include "config/infer_config.h"
#include "config/train_config.h"
#include "hub/resolve.h"

namespace sdxl {

/// The Hub as the environment says, and --cache_dir and --offline. Without --revision, which is for
/// the model's repository alone.
HubOptions hub_options(const HubConfig& config);

/// The path of the value of `--option`. Errors name the option.
std::filesystem::path local_model(const std::string& option, const std::string& name,
                                  const FileChoice& choice, const HubOptions& options);
/// Brings the training split of a data set's repository into the cache: the files that its README
/// or their names make it.
std::filesystem::path fetch_dataset(const std::string& id, const std::string& config_name,
                                    const HubOptions& options);

/// Everything that a training run, or with `data_only` its check, reads as paths.
TrainConfig with_local_files(TrainConfig config, bool data_only);
/// The same for drawing.
InferConfig with_local_files(InferConfig config);

/// What sdxl reads of a model's repository, whatever it is: a pipeline, a part, LoRA adapters.
FileChoice whatever_is_read(const std::string& variant);

}  // namespace sdxl
