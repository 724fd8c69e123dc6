#include "config/download_config.h"

namespace sdxl {

std::vector<Option> download_table(DownloadConfig& config) {
  OptionTable table;
  table.add("repo_type", &config.repo_type, "kind of repository",
            {.choices = {"model", "dataset"}});
  table.add("revision", &config.revision, "branch, tag or commit", {.unset_means = "main"});
  table.add("dataset_config_name", &config.dataset_config_name, "configuration of the dataset",
            {.value_name = "NAME"});
  table.add("include", &config.include,
            "download files that match this pattern instead of those that sdxl reads",
            {.value_name = "PATTERN"});
  add_hub(table, config);
  add_logging(table, config);
  return table.take();
}

}  // namespace sdxl
