#include "config/cache_config.h"

namespace sdxl {

std::vector<Option> cache_table(CacheConfig& config) {
  OptionTable table;
  table.group("Pruning");
  table.add("unused_days", &config.unused_days, "remove what no run has used for N days",
            {.at_least = 0});
  std::vector<Option> options = train_table(config);
  for (Option& option : options) option.rule.only_for = nullptr;
  for (Option& option : table.take()) options.push_back(std::move(option));
  return options;
}

}  // namespace sdxl
