// sdxl convert: models between diffusers' directories and single files, LoRA files between the
// namings of diffusers, PEFT and kohya.
#include <algorithm>
#include <cstdio>
#include <set>

#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/inputs/repositories.h"
#include "config/choices.h"
#include "config/convert_config.h"
#include "config/validation.h"
#include "io/model_files.h"
#include "lora/formats/registry.h"
#include "lora/lora_file.h"
#include "pretrained/export.h"
#include "pretrained/pipeline_directory.h"
#include "pretrained/single_file.h"
#include "pretrained/single_file_write.h"

namespace sdxl {
namespace {

at::ScalarType dtype_of(const std::string& name) {
  if (name == "float32") return at::kFloat;
  if (name == "fp16") return at::kHalf;
  return name == "bf16" ? at::kBFloat16 : at::ScalarType::Undefined;
}

bool is_pipeline(const fs::path& path) { return fs::exists(path / kModelIndexFile); }

/// Whether a file's tensors are adapters, by their roles.
bool is_lora_file(const fs::path& path) {
  const SafetensorsFile file(path);
  for (const SafetensorsEntry& entry : file.entries()) {
    for (const char* mark : {"lora_", ".lora.", "_lora."}) {
      if (entry.name.find(mark) != std::string::npos) return true;
    }
  }
  return false;
}

/// Whether an entry of a directory may be one that convert wrote.
bool is_model_entry(const std::string& name) {
  static const std::set<std::string> kNames = {
      kUNetFolder,         kVaeFolder,       kTextEncoderFolder,
      kTextEncoder2Folder, kTokenizerFolder, kTokenizer2Folder,
      kSchedulerFolder,    kModelIndexFile,  kConfigFile};
  return kNames.contains(name) || is_safetensors(name) || name.ends_with(".safetensors.index.json");
}

/// Refuses an output that exists, unless with --overwrite it is a file, or a directory that holds a
/// model and nothing else.
void require_replaceable(const fs::path& output, bool overwrite) {
  if (!fs::exists(output)) return;
  if (!overwrite) {
    throw Error(ExitStatus::kUsage, str("--output ", quoted(output.string()),
                                        " exists: give --overwrite or another path"));
  }
  if (!fs::is_directory(output)) return;
  for (const auto& entry : fs::directory_iterator(output)) {
    const std::string name = entry.path().filename().string();
    if (is_model_entry(name)) continue;
    throw Error(ExitStatus::kUsage,
                str("--output ", quoted(output.string()), " holds ", quoted(name),
                    ", which is not part of a model: --overwrite would remove it; give another "
                    "path"));
  }
}

class ConvertCommand : public Command {
 public:
  std::string summary() const override {
    return "convert models and LoRAs between diffusers, single-file, PEFT and kohya formats";
  }
  OptionSet& options() override { return options_; }
  void validate() override { validate_convert_config(config_); }

  ExitStatus run() override {
    static_cast<HubConfig&>(common_) = config_;
    common_.single_file_config = config_.pretrained_model_name_or_path;
    const fs::path input = config_.input;
    if (!fs::exists(input)) {
      throw Error(ExitStatus::kFileError,
                  str("--input ", quoted(config_.input), " does not exist"));
    }
    require_replaceable(config_.output, config_.overwrite);
    if (is_pipeline(input)) {
      convert_directory(input);
    } else if (fs::is_directory(input) || is_lora_file(input)) {
      convert_lora(input);
    } else {
      convert_file(input);
    }
    std::printf("%s\n", config_.output.c_str());
    return ExitStatus::kDone;
  }

 private:
  void require_target(const char* what, const std::vector<std::string>& targets,
                      const std::string& fallback) {
    if (!config_.to && !fallback.empty()) config_.to = fallback;
    if (config_.to && std::count(targets.begin(), targets.end(), *config_.to) != 0) return;
    throw Error(ExitStatus::kUsage,
                str("--to ", config_.to ? quoted(*config_.to) : "is missing", ": --input ",
                    quoted(config_.input), " is ", what, ", give one of ", join(targets, ", ")));
  }

  fs::path vae_of(const fs::path& pipeline) const {
    const auto& own = config_.pretrained_vae_model_name_or_path;
    return own ? part_directory(*own, kVaeFolder, common_) : pipeline / kVaeFolder;
  }

  void convert_directory(const fs::path& input) {
    require_target("a model's directory", kModelFormats, "single_file");
    const std::string variant = config_.variant.value_or("");
    const at::ScalarType dtype = dtype_of(config_.dtype);
    if (config_.to == "diffusers") {
      write_diffusers_pipeline(config_.output, {input, vae_of(input), variant, dtype});
    } else {
      write_single_file(config_.output, input, vae_of(input), variant, dtype);
    }
  }

  void convert_file(const fs::path& input) {
    require_target("a model in one file", kModelFormats, "diffusers");
    const fs::path configs = single_file_configs(common_);
    const SingleFileContents contents = read_single_file(SafetensorsFile(input), configs);
    if (!contents.unknown.empty() && !config_.allow_unmatched) {
      throw Error(ExitStatus::kBadData,
                  str(quoted(config_.input), ": ", contents.unknown.size(),
                      " tensors belong to no part of the model, the first ",
                      quoted(contents.unknown.front()), "; --allow_unmatched leaves them out"));
    }
    const fs::path view = single_file_pipeline(input, configs);
    const at::ScalarType dtype = dtype_of(config_.dtype);
    if (contents.parts.size() == 1) {
      write_diffusers_part(config_.output, view / contents.parts.begin()->first, "", dtype);
    } else if (config_.to == "single_file") {
      write_single_file(config_.output, view, vae_of(view), "", dtype);
    } else {
      write_diffusers_pipeline(config_.output, {view, vae_of(view), "", dtype});
    }
  }

  void convert_lora(const fs::path& input) {
    require_target("a LoRA", kLoraFormats, "");
    const PipelineDirectory base(single_file_configs(common_), "");
    const UNet2DConditionConfig unet = read_unet_config(base.part(kUNetFolder));
    LoraWeights lora = read_lora(input, layer_names(base, unet));
    if (!config_.allow_unmatched) {
      require_all_matched(lora, "--allow_unmatched goes on without them");
    }
    if (!lora.unmatched.empty()) {
      log::warning(str(lora.source, ": left out ", lora.unmatched.size(),
                       " tensors: ", escaped(join(lora.unmatched, ", "))));
    }
    const at::ScalarType dtype = dtype_of(config_.dtype);
    if (dtype != at::ScalarType::Undefined) convert_dtype(&lora, dtype);
    lora_format(*config_.to).write(config_.output, lora, unet);
  }

  static void convert_dtype(LoraWeights* lora, at::ScalarType dtype) {
    for (auto& [name, layer] : lora->layers) {
      layer.down = layer.down.to(dtype);
      layer.up = layer.up.to(dtype);
      if (layer.magnitude.defined()) layer.magnitude = layer.magnitude.to(dtype);
    }
  }

  ConvertConfig config_;
  CommonConfig common_;  ///< What finding models takes of the options.
  OptionSet options_{convert_table(config_)};
};

}  // namespace

std::unique_ptr<Command> make_convert_command() { return std::make_unique<ConvertCommand>(); }

}  // namespace sdxl
