// The table of the options that every command has.
#include "config/common_config.h"

namespace sdxl {

void append_common_options(OptionTable& table, CommonConfig& config) {
  CommonConfig& c = config;
  table.group("Downloads");
  table.add("revision", &c.revision,
            "revision of the model repository: a branch, a tag or a commit");
  table.add("variant", &c.variant,
            "kind of weight files, such as fp16; parts without it use the plain ones");
  table.add("cache_dir", &c.cache_dir, "where downloads are kept, instead of the Hub's cache",
            {.value_name = "DIR"});
  table.add("offline", &c.offline, "use what was downloaded and no network");
  table.add("single_file_config", &c.single_file_config,
            "where a model given as one .safetensors file has its configs and tokenizers from: a "
            "directory of diffusers' layout or a Hub repository",
            {.value_name = "MODEL"});
  table.group("Running");
  table.add("device", &c.device, "auto, cpu, cuda[:N] or npu[:N]; auto takes the best that works",
            {.value_name = "DEVICE"});
  table.add("mixed_precision", &c.mixed_precision,
            "what is computed in; what is trained keeps float32 weights",
            {.choices = {"no", "fp16", "bf16"}});
  table.add("seed", &c.seed,
            "seed of all random numbers, 64 bits; without it one is drawn and printed");
  table.add("num_threads", &c.num_threads, "threads of the processor; 0 takes all cores",
            {.at_least = 0, .at_most = 4096});
  table.add("log_level", &c.log_level, "what is told on stderr",
            {.choices = {"debug", "info", "warning", "error", "off"}});
  table.add("config", &c.config, "read options from a JSON file; flags override it",
            {.flag_only = true, .value_name = "FILE"});
  table.add("print_config", &c.print_config, "print every option as JSON for --config and stop",
            {.flag_only = true});
  table.add("dry_run", &c.dry_run, "check everything that can be checked, then stop",
            {.flag_only = true});
}

}  // namespace sdxl
