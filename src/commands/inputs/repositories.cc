// Bringing repositories into the Hub's cache.
#include "commands/inputs/repositories.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "commands/inputs/model_source.h"
#include "data/formats/splits.h"
#include "io/model_files.h"

namespace sdxl {
namespace {

using Names = std::vector<std::string>;

const Names kPrompts = {"tokenizer", "tokenizer_2", "text_encoder", "text_encoder_2"};
const Names kTokenizers = {"tokenizer", "tokenizer_2"};

/// Calls `resolve` and puts the option before what is wrong.
template <typename Resolve>
fs::path naming_option(const std::string& option, const Resolve& resolve) {
  try {
    return resolve();
  } catch (const Interrupted&) {
    throw;
  } catch (const Error& error) {
    throw Error(error.status(), str("--", option, ": ", error.what()));
  }
}

HubOptions of_revision(HubOptions options, const CommonConfig& config) {
  if (config.revision) options.revision = *config.revision;
  return options;
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
bool needs_own_unet(const InferConfig& config) {
  if (config.unet) return false;
  return config.checkpoints.empty() || config.include_base ||
         std::any_of(config.checkpoints.begin(), config.checkpoints.end(), holds_lora);
}

}  // namespace

HubOptions hub_options(const HubConfig& config) {
  HubOptions options = hub_options_from_environment();
  if (config.cache_dir) options.cache = *config.cache_dir;
  options.offline = options.offline || config.offline;
  return options;
}

fs::path local_model(const std::string& option, const std::string& name, const FileChoice& choice,
                     const HubOptions& options) {
  return naming_option(
      option, [&] { return resolve_repository(name, RepositoryKind::kModel, choice, options); });
}

fs::path fetch_dataset(const std::string& id, const std::string& config_name,
                       const HubOptions& options) {
  // 1. What the README says of which files there are to choose from.
  const fs::path described =
      fetch_repository(id, RepositoryKind::kDataset, matching({"README.md"}), options);
  const fs::path readme = described / "README.md";
  const std::string text = fs::exists(readme) ? read_file(readme, 64 << 20) : "";

  // 2. The training split, of the same commit.
  HubOptions same = options;
  same.revision = described.filename().string();
  const FileChoice choice = [&](const std::vector<RepositoryFile>& files) {
    Names paths;
    for (const RepositoryFile& file : files) paths.push_back(file.path);
    Names wanted = resolve_data_files(paths, text, config_name, "train", id);
    for (const std::string& path : paths) {
      if (path.ends_with(".json") || path == "README.md") wanted.push_back(path);
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    return wanted;
  };
  return fetch_repository(id, RepositoryKind::kDataset, choice, same);
}

TrainConfig with_local_files(TrainConfig config, bool data_only) {
  if (config.train_data_dir && !fs::is_directory(*config.train_data_dir)) {
    throw Error(ExitStatus::kBadData,
                str("--train_data_dir ", quoted(*config.train_data_dir),
                    " is not a directory: give a folder of pictures with captions"));
  }
  const HubOptions hub = hub_options(config);
  const std::string variant = config.variant.value_or("");
  Names parts = data_only ? kTokenizers : kPrompts;
  if (!data_only && !config.pretrained_vae_model_name_or_path) parts.push_back("vae");
  if (!data_only && !config.unet_config) parts.push_back("unet");
  config.pretrained_model_name_or_path = model_directory(
      local_model("pretrained_model_name_or_path", config.pretrained_model_name_or_path,
                  model_parts(parts, variant), of_revision(hub, config)),
      config);
  if (auto& vae = config.pretrained_vae_model_name_or_path; vae && !data_only)
    vae = part_directory(
        local_model("pretrained_vae_model_name_or_path", *vae, model_parts({""}, variant), hub),
        "vae", config);
  if (auto& lora = config.lora_weights; lora && !data_only)
    lora = local_model("lora_weights", *lora, lora_weights(), hub);
  if (config.dataset_name) {
    config.dataset_name = naming_option("dataset_name", [&]() -> fs::path {
      std::error_code error;
      if (fs::exists(*config.dataset_name, error)) return *config.dataset_name;
      return fetch_dataset(*config.dataset_name, config.dataset_config_name.value_or(""), hub);
    });
  }
  return config;
}

InferConfig with_local_files(InferConfig config) {
  const HubOptions hub = hub_options(config);
  const std::string variant = config.variant.value_or("");
  Names parts = kPrompts;
  if (!config.pretrained_vae_model_name_or_path) parts.push_back("vae");
  if (needs_own_unet(config)) parts.push_back("unet");
  config.pretrained_model_name_or_path = model_directory(
      local_model("pretrained_model_name_or_path", config.pretrained_model_name_or_path,
                  model_parts(parts, variant), of_revision(hub, config)),
      config);
  if (auto& vae = config.pretrained_vae_model_name_or_path)
    vae = part_directory(
        local_model("pretrained_vae_model_name_or_path", *vae, model_parts({""}, variant), hub),
        "vae", config);
  if (auto& unet = config.unet) {
    unet =
        part_directory(local_model("unet", *unet, model_parts({""}, variant), hub), "unet", config);
  }
  for (std::string& lora : config.lora) lora = local_model("lora", lora, lora_weights(), hub);
  return config;
}

FileChoice whatever_is_read(const std::string& variant) {
  return [variant](const std::vector<RepositoryFile>& files) {
    const bool pipeline = std::any_of(files.begin(), files.end(), [](const RepositoryFile& file) {
      return file.path == "model_index.json";
    });
    Names parts = kPrompts;
    parts.insert(parts.end(), {"vae", "unet"});
    const Names names = model_parts(pipeline ? parts : Names{""}, variant)(files);
    const bool has_weights = std::any_of(names.begin(), names.end(), [](const std::string& name) {
      return name.ends_with(".safetensors");
    });
    return has_weights ? names : lora_weights()(files);
  };
}

}  // namespace sdxl
