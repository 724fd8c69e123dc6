// The makers of all optimizers, for the table of training/optimizers/optimizer.cc.
#pragma once

#include <memory>
#include <vector>

#include "training/optimizers/optimizer.h"

namespace sdxl {

std::unique_ptr<Optimizer> make_adamw(std::vector<ParameterGroup> groups,
                                      const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_adamw_8bit(std::vector<ParameterGroup> groups,
                                           const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_adafactor(std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_lion(std::vector<ParameterGroup> groups,
                                     const OptimizerOptions& options);
std::unique_ptr<Optimizer> make_prodigy(std::vector<ParameterGroup> groups,
                                        const OptimizerOptions& options);

}  // namespace sdxl
