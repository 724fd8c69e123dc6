#include "lora/lora_weights.h"

#include <algorithm>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

bool LoraWeights::adapts(const std::string& component) const {
  auto first = layers.lower_bound({component, ""});
  return first != layers.end() && first->first.component == component;
}

bool LoraWeights::has_dora() const {
  return std::any_of(layers.begin(), layers.end(),
                     [](const auto& entry) { return entry.second.magnitude.defined(); });
}

namespace {

/// The model whose layers are named like `key`, or "".
std::string other_model(const std::string& key) {
  constexpr std::pair<std::string_view, std::string_view> kMarks[] = {
      {"double_blocks", "Flux"},
      {"single_blocks", "Flux"},
      {"single_transformer_blocks", "Flux"},
      {"joint_blocks", "Stable Diffusion 3"},
      {"lora_te3_", "Stable Diffusion 3 or Flux"},
      {"lora_transformer_", "a diffusion transformer"},
      {"transformer.transformer_blocks", "a diffusion transformer"},
      {"lora_prior_", "Stable Cascade"},
      // SDXL's first level and its last way up have no attention.
      {"down_blocks.0.attentions", "Stable Diffusion 1 or 2"},
      {"down_blocks_0_attentions", "Stable Diffusion 1 or 2"},
      {"input_blocks_1_1", "Stable Diffusion 1 or 2"},
  };
  for (const auto& [mark, model] : kMarks) {
    if (key.find(mark) != std::string::npos) return std::string(model);
  }
  return "";
}

/// What a list of unmatched keys suggests.
std::string guess(const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    if (const std::string model = other_model(key); !model.empty()) {
      return str("the file seems to be for ", model, ";");
    }
  }
  return "is it for another model?";
}

}  // namespace

void require_all_matched(const LoraWeights& weights, const std::string& remedy) {
  if (weights.unmatched.empty()) return;
  constexpr size_t kShown = 20;
  const size_t shown = std::min(kShown, weights.unmatched.size());
  const std::vector<std::string> first(
      weights.unmatched.begin(), weights.unmatched.begin() + static_cast<std::ptrdiff_t>(shown));
  throw bad_data(weights.source, weights.unmatched.size(),
                 " tensors match no layer of this model: ", escaped(join(first, ", ")),
                 weights.unmatched.size() > kShown ? ", …" : "", "; ", guess(weights.unmatched),
                 " ", remedy);
}

}  // namespace sdxl
