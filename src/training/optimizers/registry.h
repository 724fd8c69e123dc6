// The optimizers by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "training/optimizers/optimizer.h"

namespace sdxl {

/// The choices of --optimizer.
std::vector<std::string> optimizer_names();

/// `name` must be one of optimizer_names(). Error(kUsage) for an argument in `options` that the
/// algorithm does not have.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options);

}  // namespace sdxl
