#include "commands/inputs/repositories.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "data/formats/splits.h"
#include "io/model_files.h"
#include "pretrained/single_file.h"

namespace sdxl {
namespace {

using Names = std::vector<std::string>;

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

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// Error(kBadData) for files that are no safetensors, by their names.
fs::path view_of(const fs::path& file, const CommonConfig& config) {
  if (!is_safetensors(file.filename().string())) {
    throw Error(ExitStatus::kBadData,
                str(quoted(file.string()),
                    " is no .safetensors file: other formats run code when "
                    "they are read; convert it in the program that wrote it"));
  }
  return single_file_pipeline(file, single_file_configs(config));
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

fs::path local_dataset(const std::string& name, const std::string& config_name,
                       const HubOptions& options) {
  return naming_option("dataset_name", [&]() -> fs::path {
    std::error_code error;
    if (fs::exists(name, error)) return name;
    return fetch_dataset(name, config_name, options);
  });
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
    Names wanted = SplitRules(paths, text, config_name, id).files("train");
    for (const std::string& path : paths) {
      if (path.ends_with(".json") || path == "README.md") wanted.push_back(path);
    }
    std::sort(wanted.begin(), wanted.end());
    wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
    return wanted;
  };
  return fetch_repository(id, RepositoryKind::kDataset, choice, same);
}

fs::path single_file_configs(const CommonConfig& config) {
  try {
    return resolve_repository(config.single_file_config, RepositoryKind::kModel,
                              matching({"*.json", "tokenizer*"}), hub_options(config));
  } catch (const Error& error) {
    throw Error(error.status(),
                str("a single file needs the configs and tokenizers of its kind, and "
                    "--single_file_config ",
                    quoted(config.single_file_config),
                    " is not to be had: name a directory of diffusers' layout that has them (",
                    error.what(), ")"));
  }
}

fs::path model_directory(const std::string& name_or_path, const CommonConfig& config) {
  return is_file(name_or_path) ? view_of(name_or_path, config) : fs::path(name_or_path);
}

fs::path part_directory(const std::string& name_or_path, const std::string& folder,
                        const CommonConfig& config) {
  if (!is_file(name_or_path)) return name_or_path;
  fs::path part = view_of(name_or_path, config) / folder;
  if (!fs::is_directory(part)) {
    throw Error(ExitStatus::kBadData, str(quoted(name_or_path), " holds no ", folder));
  }
  return part;
}

FileChoice default_model_files(const std::string& variant) {
  return [variant](const std::vector<RepositoryFile>& files) {
    const bool pipeline = std::any_of(files.begin(), files.end(), [](const RepositoryFile& file) {
      return file.path == kModelIndexFile;
    });
    const Names parts = {kTokenizerFolder,    kTokenizer2Folder, kTextEncoderFolder,
                         kTextEncoder2Folder, kVaeFolder,        kUNetFolder};
    const Names names = model_parts(pipeline ? parts : Names{""}, variant)(files);
    const bool has_weights = std::any_of(
        names.begin(), names.end(), [](const std::string& name) { return is_safetensors(name); });
    return has_weights ? names : lora_weights()(files);
  };
}

}  // namespace sdxl
