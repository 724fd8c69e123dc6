// Whether a run may go on with the options it is given now.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/option_table.h"

namespace sdxl {

/// Samples of one optimizer step over all ranks, with the options of a run as JSON.
int64_t samples_of_step(const OptionSet& table, const Json& options, int64_t ranks);

/// What is the same in both runs, whatever their options say.
struct SameInputs {
  bool samples_of_step = false;
  /// Data and frozen weights are compared by what they hold, so their names may differ.
  bool data = false, weights = false;
};

/// The options that differ although their rules (Shapes) forbid it, as "--name was 1 and is 2".
std::vector<std::string> options_that_forbid_resume(const OptionSet& table, const Json& saved,
                                                    const Json& now, const SameInputs& same);

}  // namespace sdxl
