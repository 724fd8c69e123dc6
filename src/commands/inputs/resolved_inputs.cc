#include "commands/inputs/resolved_inputs.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "commands/inputs/repositories.h"
#include "data/formats/file_kinds.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

using Names = std::vector<std::string>;

const Names kPrompts = {kTokenizerFolder, kTokenizer2Folder, kTextEncoderFolder,
                        kTextEncoder2Folder};
const Names kTokenizers = {kTokenizerFolder, kTokenizer2Folder};

fs::path resolve_model(const std::string& name, const Names& parts, const CommonConfig& config) {
  HubOptions hub = hub_options(config);
  if (config.revision) hub.revision = *config.revision;
  const FileChoice choice = model_parts(parts, config.variant.value_or(""));
  return model_directory(local_model("pretrained_model_name_or_path", name, choice, hub), config);
}

/// A VAE or UNet outside the pipeline, the value of --`option`.
fs::path resolve_part(const std::string& option, const std::string& name, const std::string& folder,
                      const CommonConfig& config) {
  const FileChoice choice = model_parts({""}, config.variant.value_or(""));
  return part_directory(local_model(option, name, choice, hub_options(config)).string(), folder,
                        config);
}

fs::path resolve_vae(const std::optional<std::string>& name, const fs::path& model,
                     const CommonConfig& config) {
  if (!name) return model / kVaeFolder;
  return resolve_part("pretrained_vae_model_name_or_path", *name, kVaeFolder, config);
}

fs::path resolve_dataset(const TrainConfig& config) {
  if (config.dataset_name) {
    return local_dataset(*config.dataset_name, config.dataset_config_name.value_or(""),
                         hub_options(config));
  }
  return config.train_data_dir.value_or("");
}

void require_data_directory(const TrainConfig& config) {
  if (!config.train_data_dir || fs::is_directory(*config.train_data_dir)) return;
  if (is_zip_file(*config.train_data_dir) && fs::exists(*config.train_data_dir)) return;
  throw Error(ExitStatus::kBadData,
              str("--train_data_dir ", quoted(*config.train_data_dir),
                  " is not a directory: give a folder of pictures with captions, or a zip file"));
}

/// Whether the run's directory, or a checkpoint in it, holds adapters.
bool holds_lora(const fs::path& run) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run, error)) {
    if (!lora_weights_in(entry.path()).empty()) return true;
  }
  return !lora_weights_in(run).empty();
}

/// Whether something is drawn with the pipeline's own UNet.
bool needs_pipeline_unet(const InferConfig& config) {
  if (config.unet) return false;
  return config.checkpoints.empty() || config.include_base ||
         std::any_of(config.checkpoints.begin(), config.checkpoints.end(), holds_lora);
}

}  // namespace

ResolvedInputs resolve_inputs(const TrainConfig& config, bool data_only) {
  require_data_directory(config);
  Names parts = data_only ? kTokenizers : kPrompts;
  if (!data_only && !config.pretrained_vae_model_name_or_path) parts.push_back(kVaeFolder);
  if (!data_only && !config.unet_config) parts.push_back(kUNetFolder);
  ResolvedInputs inputs;
  inputs.model = resolve_model(config.pretrained_model_name_or_path, parts, config);
  if (!data_only) {
    inputs.vae = resolve_vae(config.pretrained_vae_model_name_or_path, inputs.model, config);
    if (config.lora_weights) {
      inputs.loras = {
          local_model("lora_weights", *config.lora_weights, lora_weights(), hub_options(config))};
    }
  }
  inputs.dataset = resolve_dataset(config);
  return inputs;
}

ResolvedInputs resolve_inputs(const InferConfig& config) {
  Names parts = kPrompts;
  if (!config.pretrained_vae_model_name_or_path) parts.push_back(kVaeFolder);
  if (needs_pipeline_unet(config)) parts.push_back(kUNetFolder);
  ResolvedInputs inputs;
  inputs.model = resolve_model(config.pretrained_model_name_or_path, parts, config);
  inputs.vae = resolve_vae(config.pretrained_vae_model_name_or_path, inputs.model, config);
  if (config.unet) inputs.unet = resolve_part("unet", *config.unet, kUNetFolder, config);
  for (const std::string& lora : config.lora) {
    inputs.loras.push_back(local_model("lora", lora, lora_weights(), hub_options(config)));
  }
  return inputs;
}

}  // namespace sdxl
