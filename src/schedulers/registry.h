// Samplers by name. To add one, write its file with a maker at the end, and add the maker's
// declaration and one line of the table to registry.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "schedulers/scheduler.h"

namespace sdxl {

/// Makes a sampler from the object `config` of a scheduler_config.json. `name` is one of
/// scheduler_names(), or "" for the class that the config names. `overrides` (an object or null)
/// replaces values of the config; `source` names the config in errors. Error(kUsage) for an
/// override that the sampler does not read; Error(kBadData) for an unsupported value of the config.
std::unique_ptr<Scheduler> make_scheduler(const std::string& name, const Json& config,
                                          const Json& overrides, const std::string& source);

/// The values of --scheduler: "euler", "euler_karras", "dpmpp_2m", …
std::vector<std::string> scheduler_names();

}  // namespace sdxl
