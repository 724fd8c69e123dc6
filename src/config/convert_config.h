// The options of convert.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

struct ConvertConfig {
  std::string input, output;
  std::optional<std::string> to;
  std::string dtype = "keep";
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::string pretrained_model_name_or_path = "stabilityai/stable-diffusion-xl-base-1.0";
  bool allow_unmatched = false;
  bool overwrite = false;
  std::optional<std::string> variant, cache_dir;
  bool offline = false;
  std::string log_level = "info";
};

/// The table of convert, bound to `config`.
std::vector<Option> convert_options(ConvertConfig& config);

}  // namespace sdxl
