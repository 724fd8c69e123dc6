// The options of convert.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/common_config.h"

namespace sdxl {

struct ConvertConfig : HubConfig, LoggingConfig {
  std::string input, output;
  std::optional<std::string> to;
  std::string dtype = "keep";
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::string pretrained_model_name_or_path = kBaseModel;
  bool allow_unmatched = false;
  bool overwrite = false;
};

/// The table of convert, bound to `config`.
std::vector<Option> convert_table(ConvertConfig& config);

}  // namespace sdxl
