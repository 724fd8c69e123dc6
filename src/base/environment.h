// Environment variables.
#pragma once

#include <string>
#include <string_view>

namespace sdxl {

/// The value of the environment variable `name`, or `fallback` if it is unset or empty.
std::string environment(const char* name, std::string_view fallback = "");

/// Whether the variable is set to anything but "" and "0", as tqdm and CI services read theirs.
bool environment_flag(const char* name);

}  // namespace sdxl
