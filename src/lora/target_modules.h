// Which layers of a component get adapters: PEFT's target_modules, and patterns with '*'.
#pragma once

#include <memory>
#include <string>

#include "base/regular_expression.h"
#include "models/module.h"

namespace sdxl {

/// One value of --lora_target_modules. It chooses linear and convolution layers by their paths:
///  - a name ("to_q") or several parts of a path ("attn1.to_q"): paths that are it or end with it
///    after a dot;
///  - a pattern with '*' ("down_blocks.*.to_q"): whole paths;
///  - a regular expression as PEFT takes it, told by any of ^$+?()[]{}|\\ or ".*" at its start:
///    whole paths;
///  - "all-linear": all linear layers.
class TargetModules {
 public:
  /// Error(kUsage) for a malformed regular expression.
  explicit TargetModules(const std::string& target);

  /// Whether `layer` is a linear or convolution layer that is chosen.
  bool matches(const Module& layer) const;
  const std::string& text() const { return target_; }

 private:
  std::string target_;
  std::shared_ptr<const RegularExpression> expression_;
};

}  // namespace sdxl
