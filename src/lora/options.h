// Options of LoRA adapters in training.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sdxl {

struct LoraOptions {
  int64_t rank = 4;
  double alpha = 4;    ///< The adapters' output is scaled by alpha / rank.
  double dropout = 0;  ///< Probability of dropping an element of the adapters' input.
  bool use_dora = false;
  /// Which layers to adapt (target_modules.h). Empty: the projections of all attentions.
  std::vector<std::string> target_modules;
};

}  // namespace sdxl
