// Values of PaddlePaddle's environment variables (FLAGS_…), which back ends honour
// (docs/devices.md).
#pragma once

#include <string_view>

namespace sdxl {

inline bool is_true(std::string_view flag) {
  return flag == "1" || flag == "true" || flag == "True";
}

}  // namespace sdxl
