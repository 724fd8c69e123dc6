#include "training/loss_scale.h"

namespace sdxl {

void LossScale::succeeded() {
  constexpr int64_t kGrowthInterval = 2000;
  if (++good_steps_ < kGrowthInterval) return;
  scale_ *= 2.0;
  good_steps_ = 0;
}

void LossScale::overflowed() {
  scale_ *= 0.5;
  good_steps_ = 0;
}

Json LossScale::state() const { return {{"scale", scale_}, {"good_steps", good_steps_}}; }

void LossScale::load(const Json& state, const std::string& source) {
  scale_ = json_value(state, "scale", scale_, source);
  good_steps_ = json_value(state, "good_steps", good_steps_, source);
}

}  // namespace sdxl
