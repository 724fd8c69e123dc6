// The options that every command has which loads a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

struct CommonConfig {
  std::string device = "auto";
  std::string mixed_precision = "no";
  std::optional<uint64_t> seed;
  int64_t num_threads = 0;
  std::string log_level = "info";

  std::optional<std::string> revision, variant, cache_dir;
  bool offline = false;
  std::string single_file_config = "stabilityai/stable-diffusion-xl-base-1.0";

  std::optional<std::string> config;
  bool print_config = false;
  bool dry_run = false;
};

/// Appends the table of the common options, bound to `config`.
void append_common_options(OptionTable& table, CommonConfig& config);

}  // namespace sdxl
