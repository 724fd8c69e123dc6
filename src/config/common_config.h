// The options that several commands share, in groups; each group is a struct of values and a
// function that appends its rows to a command's table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/option_table.h"

namespace sdxl {

struct LoggingConfig {
  std::string log_level = "info";
};
void add_logging(OptionTable& table, LoggingConfig& config);

struct ThreadsConfig {
  int64_t num_threads = 0;  ///< 0 for all cores.
};
void add_threads(OptionTable& table, ThreadsConfig& config);

struct HubConfig {
  std::optional<std::string> variant, cache_dir;
  bool offline = false;
};
void add_hub(OptionTable& table, HubConfig& config);

void add_vae(OptionTable& table, std::optional<std::string>& value);
void add_xformers(OptionTable& table, bool& value);

inline constexpr const char* kBaseModel = "stabilityai/stable-diffusion-xl-base-1.0";

/// What every command has that loads a model.
struct CommonConfig : HubConfig, ThreadsConfig, LoggingConfig {
  std::optional<std::string> revision;
  std::string single_file_config = kBaseModel;

  std::string device = "auto";
  std::string mixed_precision = "no";
  std::optional<uint64_t> seed;

  std::optional<std::string> config;
  bool print_config = false;
  bool dry_run = false;
};
void add_common(OptionTable& table, CommonConfig& config);

}  // namespace sdxl
