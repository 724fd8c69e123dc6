// Finding of models.
#include "commands/inputs/model_source.h"

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "commands/inputs/repositories.h"
#include "pretrained/single_file.h"

namespace sdxl {
namespace {

bool is_file(const std::string& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

/// Error(kBadData) for files that are no safetensors, by their names.
fs::path view_of(const fs::path& file, const CommonConfig& config) {
  if (file.extension() != ".safetensors") {
    throw Error(ExitStatus::kBadData,
                str(quoted(file.string()),
                    " is no .safetensors file: other formats run code when "
                    "they are read; convert it in the program that wrote it"));
  }
  return single_file_pipeline(file, single_file_configs(config));
}

}  // namespace

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

}  // namespace sdxl
