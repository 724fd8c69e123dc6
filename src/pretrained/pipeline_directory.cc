#include "pretrained/pipeline_directory.h"

#include "base/error.h"
#include "base/files/files.h"
#include "base/log.h"
#include "base/text.h"
#include "io/model_files.h"
#include "io/pretrained.h"

namespace sdxl {

PipelineDirectory::PipelineDirectory(const fs::path& directory, std::string variant)
    : root_(directory), variant_(std::move(variant)) {
  const fs::path index = root_ / kModelIndexFile;
  if (!fs::is_directory(root_) || !fs::exists(index)) {
    throw Error(
        ExitStatus::kBadData,
        str("--pretrained_model_name_or_path ", quoted(root_.string()),
            " is not a pipeline directory: it has no model_index.json; give a directory that "
            "diffusers' save_pretrained wrote, or a Hub repository's name"));
  }
  index_ = read_json(index);
  const auto class_name = json_value<std::string>(index_, "_class_name", "", index.string());
  if (!class_name.starts_with("StableDiffusionXL")) {
    throw Error(ExitStatus::kBadData,
                str(index.string(), ": _class_name is ", quoted(class_name),
                    ", not an SDXL pipeline; only StableDiffusionXLPipeline is supported"));
  }
}

bool PipelineDirectory::force_zeros_for_empty_prompt() const {
  return json_value(index_, "force_zeros_for_empty_prompt", true,
                    (root_ / kModelIndexFile).string());
}

fs::path PipelineDirectory::part(const std::string& name) const {
  fs::path directory = root_ / name;
  if (!fs::is_directory(directory)) {
    throw Error(ExitStatus::kBadData, str(quoted(root_.string()), " has no folder ", name,
                                          "/: the pipeline is incomplete, download it again"));
  }
  return directory;
}

std::string PipelineDirectory::scheduler_config_source() const {
  return (root_ / kSchedulerFolder / kSchedulerConfigFile).string();
}

Json PipelineDirectory::scheduler_config() const { return read_json(scheduler_config_source()); }

std::shared_ptr<const Tokenizer> PipelineDirectory::tokenizer(int number) const {
  std::shared_ptr<const Tokenizer>& kept = tokenizers_[number - 1];
  if (!kept) kept = load_tokenizer(part(tokenizer_folder(number)));
  return kept;
}

std::shared_ptr<CLIPTextModel> PipelineDirectory::empty_text_encoder(int number) const {
  return std::make_shared<CLIPTextModel>(
      read_text_encoder_config(part(text_encoder_folder(number)), /*with_projection=*/number == 2));
}

std::shared_ptr<CLIPTextModel> PipelineDirectory::text_encoder(int number,
                                                               const Placement& placement) const {
  std::shared_ptr<CLIPTextModel> model = empty_text_encoder(number);
  model->load(text_encoder_weights(number), placement);
  return model;
}

Weights PipelineDirectory::text_encoder_weights(int number) const {
  return Weights::open(part(text_encoder_folder(number)), kTransformersStem, variant_);
}

PromptEncoder PipelineDirectory::prompt_encoder(const Placement& placement) const {
  return PromptEncoder(tokenizer(1), tokenizer(2), text_encoder(1, placement),
                       text_encoder(2, placement));
}

std::shared_ptr<AutoencoderKL> PipelineDirectory::vae(const Placement& placement, bool with_encoder,
                                                      bool with_decoder) const {
  return load_vae(part(kVaeFolder), variant_, placement, with_encoder, with_decoder);
}

std::shared_ptr<UNet2DConditionModel> PipelineDirectory::unet(const Placement& placement) const {
  return load_unet(part(kUNetFolder), variant_, placement);
}

UNet2DConditionConfig read_unet_config(const fs::path& directory) {
  return UNet2DConditionConfig::from_json(read_component_config(directory, "UNet2DConditionModel"),
                                          (directory / kConfigFile).string());
}

AutoencoderKLConfig read_vae_config(const fs::path& directory) {
  return AutoencoderKLConfig::from_json(read_component_config(directory, "AutoencoderKL"),
                                        (directory / kConfigFile).string());
}

CLIPTextConfig read_text_encoder_config(const fs::path& directory, bool with_projection) {
  const fs::path file = directory / kConfigFile;
  CLIPTextConfig config = CLIPTextConfig::from_json(read_json(file), file.string());
  config.with_projection = with_projection;
  return config;
}

Json architecture_of(const Json& config) {
  Json result = Json::object();
  for (const auto& [key, value] : config.items()) {
    const bool is_note = key.starts_with('_') || key == "architectures" || key == "dtype" ||
                         key == "torch_dtype" || key == "transformers_version";
    if (!is_note) result[key] = value;
  }
  return result;
}

uint64_t count_elements(const Module& module) {
  uint64_t elements = 0;
  for (const NamedParameter& parameter : module.parameters()) {
    elements += static_cast<uint64_t>(c10::multiply_integers(parameter.shape));
  }
  return elements;
}

LayerNames layer_names(const PipelineDirectory& pipeline, const UNet2DConditionConfig& unet) {
  LayerNames names;
  names.add_unet(UNet2DConditionModel(unet));
  for (const int number : {1, 2}) {
    names.add_text_encoder(text_encoder_folder(number), *pipeline.empty_text_encoder(number));
  }
  return names;
}

std::shared_ptr<UNet2DConditionModel> load_unet(const fs::path& directory,
                                                const std::string& variant,
                                                const Placement& placement) {
  auto model = std::make_shared<UNet2DConditionModel>(read_unet_config(directory));
  model->load(Weights::open(directory, kDiffusersStem, variant), placement);
  return model;
}

std::shared_ptr<UNet2DConditionModel> load_quantised_unet(const fs::path& directory,
                                                          const std::string& variant,
                                                          const Placement& placement,
                                                          QuantisedFormat format) {
  const Weights weights = Weights::open(directory, kDiffusersStem, variant);
  auto model = std::make_shared<UNet2DConditionModel>(read_unet_config(directory));
  // In the file's dtype the weights stay mapped: only quantised layers take memory.
  const at::ScalarType stored = weights.contains("conv_in.weight")
                                    ? weights.tensor("conv_in.weight").scalar_type()
                                    : placement.dtype;
  model->load(weights, {at::kCPU, stored});
  quantise_linears(*model, format, placement,
                   [&weights](const std::string& name) { weights.release(name); });
  return model;
}

std::shared_ptr<AutoencoderKL> load_vae(const fs::path& directory, const std::string& variant,
                                        Placement placement, bool with_encoder, bool with_decoder) {
  const AutoencoderKLConfig config = read_vae_config(directory);
  placement.dtype = vae_dtype(config, placement.dtype);
  auto model = std::make_shared<AutoencoderKL>(config, with_encoder, with_decoder);
  model->load(Weights::open(directory, kDiffusersStem, variant), placement);
  return model;
}

at::ScalarType compute_dtype(const std::string& mixed_precision) {
  if (mixed_precision == "fp16") return at::kHalf;
  return mixed_precision == "bf16" ? at::kBFloat16 : at::kFloat;
}

at::ScalarType vae_dtype(const AutoencoderKLConfig& config, at::ScalarType compute) {
  return config.force_upcast && compute == at::kHalf ? at::kFloat : compute;
}

}  // namespace sdxl
