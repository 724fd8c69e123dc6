// To add an optimizer, declare its maker here and give it a line in kOptimizers.
#include "training/optimizers/registry.h"

#include <stdexcept>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

using OptimizerMaker = std::unique_ptr<Optimizer>(std::vector<ParameterGroup> groups,
                                                  const OptimizerOptions& options);
OptimizerMaker make_adafactor;
OptimizerMaker make_adamw;
OptimizerMaker make_adamw_8bit;
OptimizerMaker make_lion;
OptimizerMaker make_prodigy;

namespace {

struct OptimizerEntry {
  const char* name;
  OptimizerMaker* make;
};

constexpr OptimizerEntry kOptimizers[] = {
    {"adamw", make_adamw}, {"adamw8bit", make_adamw_8bit}, {"adafactor", make_adafactor},
    {"lion", make_lion},   {"prodigy", make_prodigy},
};

void require_known_arguments(const OptimizerEntry& entry, const OptimizerOptions& options) {
  const std::set<std::string> known = entry.make({}, options)->argument_names();
  for (const auto& [name, value] : options.arguments) {
    if (known.contains(name)) continue;
    const std::vector<std::string> names(known.begin(), known.end());
    throw Error(ExitStatus::kUsage,
                str("--optimizer_args ", quoted(name), ": ", entry.name,
                    names.empty() ? " takes no arguments" : " takes " + join(names, ", ")));
  }
}

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const OptimizerEntry& entry : kOptimizers) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<Optimizer> make_optimizer(const std::string& name,
                                          std::vector<ParameterGroup> groups,
                                          const OptimizerOptions& options) {
  for (const OptimizerEntry& entry : kOptimizers) {
    if (name != entry.name) continue;
    require_known_arguments(entry, options);
    return entry.make(std::move(groups), options);
  }
  throw std::logic_error("there is no optimizer " + name);
}

}  // namespace sdxl
