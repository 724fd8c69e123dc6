#include "lora/formats/dotted_names.h"

#include <string_view>
#include <utility>

namespace sdxl {
namespace {

constexpr std::pair<const char*, const char*> kProcessorEnds[] = {
    {".to_q_lora", ".to_q"},
    {".to_k_lora", ".to_k"},
    {".to_v_lora", ".to_v"},
    {".to_out_lora", ".to_out.0"},
};
constexpr std::pair<const char*, const char*> kEncoderEnds[] = {
    {"self_attn.to_q", "self_attn.q_proj"},
    {"self_attn.to_k", "self_attn.k_proj"},
    {"self_attn.to_v", "self_attn.v_proj"},
    {"self_attn.to_out.0", "self_attn.out_proj"},
};

bool strip_prefix(std::string* text, std::string_view prefix) {
  if (!text->starts_with(prefix)) return false;
  text->erase(0, prefix.size());
  return true;
}

/// Replaces the end of `path` by the table's second entry.
template <size_t N>
void replace_end(std::string* path, const std::pair<const char*, const char*> (&table)[N]) {
  for (const auto& [old_end, end] : table) {
    if (!path->ends_with(old_end)) continue;
    path->replace(path->size() - std::string_view(old_end).size(), std::string::npos, end);
    return;
  }
}

}  // namespace

bool is_kohya_or_peft(const std::string& stem) {
  return stem.starts_with("lora_") || stem.find(kPeftPrefix) != std::string::npos;
}

LayerName split_component(std::string stem) {
  strip_prefix(&stem, kPeftPrefix);
  LayerName name{kUNetFolder, stem};
  for (const std::string component : kAdaptedComponents) {
    if (strip_prefix(&stem, component + ".")) name = {component, stem};
  }
  strip_prefix(&name.path, kPeftPrefix);
  return name;
}

LayerName without_processor(LayerName name) {
  constexpr std::string_view kProcessor = ".processor.";
  for (size_t at = name.path.find(kProcessor); at != std::string::npos;
       at = name.path.find(kProcessor, at + 1)) {
    name.path.replace(at, kProcessor.size(), ".");
  }
  replace_end(&name.path, kProcessorEnds);
  if (name.component != kUNetFolder) replace_end(&name.path, kEncoderEnds);
  return name;
}

}  // namespace sdxl
