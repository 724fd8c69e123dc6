// Converts the values of options from and to texts and JSON, and checks their rules.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"
#include "config/option.h"

namespace sdxl {

/// Sets the option's field from the texts given to its flag. Error(kUsage) names option and value.
void assign_texts(const Option& option, const std::vector<std::string>& texts);

/// Sets the option's field from a JSON value; `source` names the file. Error(kUsage).
void assign_json(const Option& option, const Json& value, const std::string& source);

Json option_json(const Option& option);

/// The placeholder of the value in help: "N", "X", "TEXT", …
std::string value_name(const Option& option);

bool is_boolean(const Option& option);
bool is_repeatable(const Option& option);

}  // namespace sdxl
