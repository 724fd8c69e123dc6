#include "config/convert_config.h"

#include <algorithm>

#include "config/choices.h"
#include "config/option_rules.h"

namespace sdxl {
namespace {

Choices all_formats() {
  Choices formats = kModelFormats;
  for (const std::string& format : kLoraFormats) {
    if (std::find(formats.begin(), formats.end(), format) == formats.end()) {
      formats.push_back(format);
    }
  }
  return formats;
}

}  // namespace

std::vector<Option> convert_table(ConvertConfig& c) {
  OptionTable table;
  table.add("input", &c.input, "model or LoRA: a directory or a .safetensors file (required)",
            {.value_name = "PATH"});
  table.add("output", &c.output, "path of the result (required)", {.value_name = "PATH"});
  table.add(
      "to", &c.to,
      alternatives(kModelFormats) + " for a model; " + alternatives(kLoraFormats) + " for a LoRA",
      {.choices = all_formats(), .unset_means = "a model's other format"});
  table.add("dtype", &c.dtype, "dtype of the saved weights",
            {.choices = {"keep", "float32", "fp16", "bf16"}});
  table.add("pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
            "model that supplies a single file's configs and tokenizers, and a LoRA's layer names",
            {.value_name = "MODEL"});
  add_vae(table, c.pretrained_vae_model_name_or_path);
  table.add("allow_unmatched", &c.allow_unmatched,
            "drop tensors that belong to no part of the model instead of failing");
  table.add("overwrite", &c.overwrite, "replace an existing output");
  add_hub(table, c);
  add_logging(table, c);
  return table.take();
}

}  // namespace sdxl
