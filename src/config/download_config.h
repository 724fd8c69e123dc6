// The options of download.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/common_config.h"

namespace sdxl {

struct DownloadConfig : HubConfig, LoggingConfig {
  std::string repo_type = "model";
  std::optional<std::string> revision, dataset_config_name;
  std::vector<std::string> include;
};

/// The table of download, bound to `config`.
std::vector<Option> download_table(DownloadConfig& config);

}  // namespace sdxl
