#include "config/common_config.h"

#include "config/choices.h"

namespace sdxl {

using enum Shapes;

void add_logging(OptionTable& table, LoggingConfig& config) {
  table.add("log_level", &config.log_level, "log verbosity",
            {.shapes = kNothing, .choices = kLogLevels, .per_process = true});
}

void add_threads(OptionTable& table, ThreadsConfig& config) {
  table.add("num_threads", &config.num_threads, "CPU threads; 0 uses all cores",
            {.shapes = kNothing, .at_least = 0, .at_most = 4096, .per_process = true});
}

void add_hub(OptionTable& table, HubConfig& config) {
  table.add("variant", &config.variant, "variant of weight files, such as fp16, where available",
            {.shapes = kWeights});
  table.add("cache_dir", &config.cache_dir, "directory for downloads",
            {.shapes = kNothing, .value_name = "DIR", .unset_means = "the Hub's cache"});
  table.add("offline", &config.offline, "use downloaded files only", {.shapes = kNothing});
}

void add_vae(OptionTable& table, std::optional<std::string>& value) {
  table.add("pretrained_vae_model_name_or_path", &value, "VAE to use instead of the model's",
            {.shapes = kWeights, .value_name = "MODEL"});
}

void add_xformers(OptionTable& table, bool& value) {
  table.add("enable_xformers_memory_efficient_attention", &value,
            "accepted; attention is always memory-efficient", {.shapes = kNothing});
}

void add_common(OptionTable& table, CommonConfig& c) {
  table.group("Downloads");
  table.add("revision", &c.revision, "revision of the model: a branch, tag or commit",
            {.shapes = kWeights, .unset_means = "main"});
  add_hub(table, c);
  table.add("single_file_config", &c.single_file_config,
            "model that supplies configs and tokenizers for a single .safetensors file",
            {.shapes = kResult, .value_name = "MODEL"});
  table.group("General");
  table.add("device", &c.device, "auto, cpu, cuda[:N] or npu[:N]; auto picks the best that works",
            {.shapes = kNothing, .value_name = "DEVICE"});
  table.add("mixed_precision", &c.mixed_precision,
            "dtype to compute in; trained weights stay float32",
            {.shapes = kResult, .choices = {"no", "fp16", "bf16"}});
  table.add("seed", &c.seed, "seed of all random numbers",
            {.shapes = kResult, .per_picture = true, .unset_means = "drawn and printed"});
  add_threads(table, c);
  add_logging(table, c);
  table.add("config", &c.config, "read options from a JSON file",
            {.flag_only = true, .value_name = "FILE"});
  table.add("print_config", &c.print_config, "print all options as JSON and exit",
            {.flag_only = true});
  table.add("dry_run", &c.dry_run, "check everything that can be checked and exit",
            {.flag_only = true});
}

}  // namespace sdxl
