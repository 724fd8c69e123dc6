// The optimizers by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "training/optimizers/optimizer.h"

namespace sdxl {

/// The names that make_optimizer() knows: the choices of --optimizer.
std::vector<std::string> optimizer_names();

/// Error(kUsage) for an unknown name, or for an argument in `options` that the algorithm does not
/// have.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options);

}  // namespace sdxl
