// The makers of all optimizers, for the table of training/optimizer.cc.
#pragma once

#include <memory>
#include <vector>

#include "training/optimizer.h"

namespace sdxl {

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const OptimizerOptions& options);

}  // namespace sdxl
