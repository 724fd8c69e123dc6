// The options of devices.
#pragma once

#include <vector>

#include "config/option_table.h"

namespace sdxl {

struct DevicesConfig {
  bool json = false;
};

/// The table of devices, bound to `config`.
std::vector<Option> devices_table(DevicesConfig& config);

}  // namespace sdxl
