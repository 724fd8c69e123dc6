// Dynamic loss scaling for fp16 (Micikevicius et al. 2018), with torch.amp.GradScaler's numbers.
#pragma once

#include <cstdint>

#include "base/json.h"

namespace sdxl {

class LossScale {
 public:
  double scale() const { return scale_; }
  /// Call after a step with finite gradients. Doubles the scale after 2000 of them in a row.
  void succeeded();
  /// Call after gradients that were not finite. Halves the scale.
  void overflowed();

  Json state() const;
  void load(const Json& state, const std::string& source);

 private:
  double scale_ = 65536.0;
  int64_t good_steps_ = 0;  // in a row
};

}  // namespace sdxl
