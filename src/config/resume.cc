#include "config/resume.h"

#include "base/text.h"

namespace sdxl {
namespace {

/// Whether the learning rate depends on the length of the run.
bool schedule_ends(const Json& options) {
  const auto name = options.value("lr_scheduler", std::string("constant"));
  return name != "constant" && name != "constant_with_warmup";
}

}  // namespace

int64_t samples_of_step(const OptionSet& table, const Json& options, int64_t ranks) {
  int64_t samples = ranks;
  for (const Option& option : table.options()) {
    if (option.rule.shapes == Shapes::kSampleCount) {
      samples *= options.value(option.name, int64_t{1});
    }
  }
  return samples;
}

std::vector<std::string> options_that_forbid_resume(const OptionSet& table, const Json& saved,
                                                    const Json& now, const SameInputs& same) {
  std::vector<std::string> differing;
  for (const Option& option : table.options()) {
    const Shapes shapes = option.rule.shapes.value_or(Shapes::kResult);
    const bool may_differ =
        shapes == Shapes::kNothing || (shapes == Shapes::kSampleCount && same.samples_of_step) ||
        (shapes == Shapes::kLength && !schedule_ends(now)) ||
        (shapes == Shapes::kData && same.data) || (shapes == Shapes::kWeights && same.weights);
    const auto before = saved.find(option.name), after = now.find(option.name);
    if (may_differ || before == saved.end() || after == now.end() || *before == *after) continue;
    differing.push_back(
        str("--", option.name, " was ", one_line(*before), " and is ", one_line(*after)));
  }
  return differing;
}

}  // namespace sdxl
