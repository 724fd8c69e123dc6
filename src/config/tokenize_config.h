// The options of tokenize.
#pragma once

#include <string>
#include <vector>

#include "config/common_config.h"

namespace sdxl {

struct TokenizeConfig : ThreadsConfig, LoggingConfig {
  std::string pretrained_model_name_or_path;
  std::string input = "-";
};

/// The table of tokenize, bound to `config`.
std::vector<Option> tokenize_table(TokenizeConfig& config);

}  // namespace sdxl
