// The option table of convert.
#include "config/convert_config.h"

namespace sdxl {

std::vector<Option> convert_options(ConvertConfig& c) {
  OptionTable table;
  table.add(
      "input", &c.input,
      "what is converted: a model (a directory of diffusers' layout or one .safetensors file) "
      "or a LoRA file or directory (required)",
      {.value_name = "PATH"});
  table.add("output", &c.output, "where the result goes (required)", {.value_name = "PATH"});
  table.add("to", &c.to,
            "a model: diffusers or single_file, by default the one that it is not; a LoRA: "
            "diffusers, peft or kohya (required)",
            {.choices = {"diffusers", "single_file", "peft", "kohya"}});
  table.add("dtype", &c.dtype, "of the weights that are written",
            {.choices = {"keep", "float32", "fp16", "bf16"}});
  table.add("pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
            "the model whose configs and tokenizers a single file gets, and whose layers a LoRA "
            "adapts: a directory of diffusers' layout or a Hub repository, without its weights",
            {.value_name = "MODEL"});
  table.add("pretrained_vae_model_name_or_path", &c.pretrained_vae_model_name_or_path,
            "a VAE of its own instead of the model's: a directory or one .safetensors file",
            {.value_name = "MODEL"});
  table.add("allow_unmatched", &c.allow_unmatched,
            "leave out tensors that belong to no part of the model, rather than refuse them");
  table.add("overwrite", &c.overwrite, "replace an output that exists");
  table.add("variant", &c.variant, "kind of weight files that are read, such as fp16");
  table.add("cache_dir", &c.cache_dir, "where downloads are kept, instead of the Hub's cache",
            {.value_name = "DIR"});
  table.add("offline", &c.offline, "use what was downloaded and no network");
  table.add("log_level", &c.log_level, "what is told on stderr",
            {.choices = {"debug", "info", "warning", "error", "off"}});
  return table.take();
}

}  // namespace sdxl
