// diffusers before 0.26: adapters inside of the attention processors, "unet.….processor.to_q_lora",
// and a text encoder's attention named like the UNet's.
#include "lora/formats/dotted_names.h"
#include "lora/formats/format.h"

namespace sdxl {
namespace {

class AttentionProcessorsFormat : public LoraFormat {
 public:
  std::optional<LayerName> parse(const std::string& stem) const override {
    if (is_kohya_or_peft(stem)) return std::nullopt;
    return without_processor(split_component(stem));
  }
};

}  // namespace

std::unique_ptr<LoraFormat> make_attention_processors_format() {
  return std::make_unique<AttentionProcessorsFormat>();
}

}  // namespace sdxl
