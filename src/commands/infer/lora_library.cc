#include "commands/infer/lora_library.h"

#include "base/log.h"
#include "base/text.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

bool adapts_encoders(const LoraWeights& lora) {
  return lora.adapts(kTextEncoderFolder) || lora.adapts(kTextEncoder2Folder);
}

}  // namespace

LoraLibrary::LoraLibrary(LayerNames names, bool allow_unmatched)
    : names_(std::move(names)), allow_unmatched_(allow_unmatched) {}

void LoraLibrary::read(const WeightSet& set) {
  for (const auto& [path, scale] : set.loras) {
    if (files_.contains(path)) continue;
    LoraWeights lora = read_lora(path, names_);
    if (!allow_unmatched_) {
      require_all_matched(lora);
    } else if (!lora.unmatched.empty()) {
      log::warning(str(lora.source, ": left out ",
                       counted(static_cast<int64_t>(lora.unmatched.size()), "tensor"),
                       " without a layer in this model: ", escaped(join(lora.unmatched, ", "))));
    }
    files_.emplace(path, std::move(lora));
  }
}

ScaledLoras LoraLibrary::of(const WeightSet& set, double factor) const {
  ScaledLoras result;
  for (const auto& [path, scale] : set.loras) {
    const LoraWeights& lora = files_.at(path);
    result.emplace_back(&lora, scale * factor);
    if (scale * factor != 0 || !lora.has_dora() || !warned_.insert(path).second) continue;
    log::warning(str(lora.source,
                     ": DoRA at scale 0 still changes the base model, as in PEFT: it scales the "
                     "weights' rows to its magnitudes; leave the file out to draw without it"));
  }
  return result;
}

std::string LoraLibrary::encoder_state(const WeightSet& set, double factor) const {
  std::string state;
  for (const auto& [path, scale] : set.loras) {
    if (adapts_encoders(files_.at(path))) state += str(path.string(), '*', scale * factor, '\n');
  }
  return state;
}

}  // namespace sdxl
