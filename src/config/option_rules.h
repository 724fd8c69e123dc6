// Checks which options are set together, by the rules of their rows.
#pragma once

#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

/// Error(kUsage) for an option that is set but is for another command than `command`, or needs one
/// that is not set. Warns of options without effect.
void check_option_rules(const OptionSet& options, const std::string& command);

/// "a, b or c", with `prefix` before each name.
std::string alternatives(std::vector<std::string> names, const std::string& prefix = "");

}  // namespace sdxl
