// Checks which options are set together, by the rules of their rows.
#pragma once

#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

/// Error(kUsage) for an option that is set but is for another command than `command`, or needs one
/// that is not set. Warns of options without effect.
void check_option_rules(const OptionSet& options, const std::string& command);

/// "a, b or c".
std::string alternatives(const std::vector<std::string>& names);

}  // namespace sdxl
