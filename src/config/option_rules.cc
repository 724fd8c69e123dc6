#include "config/option_rules.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"

namespace sdxl {
namespace {

void check_needs(const OptionSet& options, const Option& option) {
  const std::vector<std::string>& needs = option.rule.needs;
  const auto is_given = [&](const std::string& name) {
    return options.is_set(*options.find(name));
  };
  if (needs.empty() || std::any_of(needs.begin(), needs.end(), is_given)) return;
  throw Error(ExitStatus::kUsage, "--", option.name, " needs ", alternatives(needs, "--"));
}

void warn_without_effect(const OptionSet& options, const Option& option) {
  if (!option.rule.only_with) return;
  const auto& [name, choices] = *option.rule.only_with;
  const auto& value = options.get<std::string>(name);
  if (std::find(choices.begin(), choices.end(), value) != choices.end()) return;
  log::warning(str("--", option.name, " has no effect with --", name, " ", value, ": it is for ",
                   alternatives(choices)));
}

}  // namespace

void check_option_rules(const OptionSet& options, const std::string& command) {
  for (const Option& option : options.options()) {
    if (!options.is_set(option)) continue;
    if (option.rule.only_for != nullptr && option.rule.only_for != command) {
      throw Error(ExitStatus::kUsage, "--", option.name, " is for ", option.rule.only_for,
                  " only: leave it out");
    }
    check_needs(options, option);
    warn_without_effect(options, option);
  }
}

std::string alternatives(std::vector<std::string> names, const std::string& prefix) {
  for (std::string& name : names) name.insert(0, prefix);
  if (names.size() < 2) return join(names, "");
  return join({names.begin(), names.end() - 1}, ", ") + " or " + names.back();
}

}  // namespace sdxl
