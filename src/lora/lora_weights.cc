#include "lora/lora_weights.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

bool LoraWeights::adapts(const std::string& component) const {
  auto first = layers.lower_bound({component, ""});
  return first != layers.end() && first->first.component == component;
}

void require_all_matched(const LoraWeights& weights, const std::string& remedy) {
  if (weights.unmatched.empty()) return;
  constexpr size_t kShown = 20;
  const size_t shown = std::min(kShown, weights.unmatched.size());
  const std::vector<std::string> first(
      weights.unmatched.begin(), weights.unmatched.begin() + static_cast<std::ptrdiff_t>(shown));
  throw Error(
      ExitStatus::kBadData,
      str(weights.source, ": ", weights.unmatched.size(),
          " tensors match no layer of this model: ", escaped(join(first, ", ")),
          weights.unmatched.size() > kShown ? ", …" : "", "; is it for another model? ", remedy));
}

}  // namespace sdxl
