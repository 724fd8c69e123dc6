#include "lora/formats/registry.h"

#include <stdexcept>

namespace sdxl {

using LoraFormatMaker = std::unique_ptr<LoraFormat>();

// Each is defined at the end of its format's file.
LoraFormatMaker make_attention_processors_format;
LoraFormatMaker make_diffusers_format;
LoraFormatMaker make_kohya_format;
LoraFormatMaker make_paddle_format;
LoraFormatMaker make_peft_format;

const std::vector<LoraFormatEntry>& lora_formats() {
  static const std::vector<LoraFormatEntry> table = [] {
    constexpr std::pair<const char*, LoraFormatMaker*> kMakers[] = {
        {"kohya", make_kohya_format},
        {"peft", make_peft_format},
        {"diffusers", make_diffusers_format},
        {"attention processors", make_attention_processors_format},
        {"paddle", make_paddle_format},
    };
    std::vector<LoraFormatEntry> entries;
    for (const auto& [name, make] : kMakers) entries.push_back({name, make()});
    return entries;
  }();
  return table;
}

const LoraFormat& lora_format(const std::string& name) {
  for (const LoraFormatEntry& entry : lora_formats()) {
    if (entry.name == name) return *entry.format;
  }
  throw std::logic_error("there is no LoRA format " + name);
}

std::vector<std::string> written_lora_formats() {
  std::vector<std::string> names;
  for (const LoraFormatEntry& entry : lora_formats()) {
    if (entry.format->can_write()) names.push_back(entry.name);
  }
  return names;
}

}  // namespace sdxl
