#include "base/environment.h"

#include <cstdlib>

namespace sdxl {

std::string environment(const char* name, std::string_view fallback) {
  const char* value = std::getenv(name);
  return std::string(value == nullptr || *value == '\0' ? fallback : value);
}

bool environment_flag(const char* name) { return environment(name, "0") != "0"; }

}  // namespace sdxl
