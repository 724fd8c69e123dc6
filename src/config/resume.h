// Whether a run may go on with the options it is given now.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

// `saved` and `now` are the options of a run as JSON, with its number of ranks as "_ranks".

/// Samples of one optimizer step over all ranks.
int64_t samples_of_step(const OptionSet& table, const Json& options);

/// The options that differ and whose rules (Shapes) forbid it, as "--name was 1 and is 2".
std::vector<std::string> options_that_forbid_resume(const OptionSet& table, const Json& saved,
                                                    const Json& now);

}  // namespace sdxl
