#include "config/devices_config.h"

namespace sdxl {

std::vector<Option> devices_table(DevicesConfig& config) {
  OptionTable table;
  table.add("json", &config.json, "print JSON");
  return table.take();
}

}  // namespace sdxl
