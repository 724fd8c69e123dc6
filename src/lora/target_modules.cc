#include "lora/target_modules.h"

#include <stdexcept>

#include "base/error.h"
#include "base/files/glob.h"
#include "base/text.h"
#include "models/layers.h"

namespace sdxl {
namespace {

constexpr std::string_view kAllLinear = "all-linear";

bool is_regular_expression(const std::string& target) {
  return target.starts_with(".*") || target.find_first_of("^$+?()[]{}|\\") != std::string::npos;
}

}  // namespace

TargetModules::TargetModules(const std::string& target) : target_(target) {
  if (!is_regular_expression(target)) return;
  try {
    expression_ = std::make_shared<const RegularExpression>(target);
  } catch (const std::invalid_argument& error) {
    throw Error(ExitStatus::kUsage, "--lora_target_modules ", quoted(target),
                " is not a regular expression: ", error.what());
  }
}

bool TargetModules::matches(const Module& layer) const {
  const bool is_linear = dynamic_cast<const Linear*>(&layer) != nullptr;
  if (!is_linear && dynamic_cast<const Conv2d*>(&layer) == nullptr) return false;
  if (target_ == kAllLinear) return is_linear;
  const std::string& path = layer.path();
  if (expression_) return expression_->matches(path);
  if (target_.find('*') != std::string::npos) {
    return glob_matches(target_, path, GlobStyle::kText);
  }
  return path == target_ || path.ends_with("." + target_);
}

}  // namespace sdxl
