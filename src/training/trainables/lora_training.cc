#include "training/trainables/lora_training.h"

#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "device/device.h"
#include "io/model_files.h"
#include "lora/formats/registry.h"
#include "lora/lora_file.h"

namespace sdxl {
namespace {

std::map<std::string, Module*> adapted_components(UNet2DConditionModel& unet,
                                                  PromptEncoder* encoder) {
  std::map<std::string, Module*> components = {{kUNetFolder, &unet}};
  if (encoder) {
    components[kTextEncoderFolder] = encoder->text_encoder(1).get();
    components[kTextEncoder2Folder] = encoder->text_encoder(2).get();
  }
  return components;
}

/// Refuses --train_text_encoder if no layer of the encoders is adapted.
void require_adapted_encoders(const LoraAdapters& adapters,
                              const std::vector<std::string>& targets) {
  const LoraWeights weights = adapters.weights();
  if (weights.adapts(kTextEncoderFolder) || weights.adapts(kTextEncoder2Folder)) return;
  throw Error(ExitStatus::kUsage,
              sdxl::str("--train_text_encoder has nothing to train: --lora_target_modules ",
                        join(targets, ", "),
                        " match no layer of the text encoders; add some, such as q_proj, or leave "
                        "out --train_text_encoder"));
}

/// Whether LoRA+ trains `parameter` at the higher rate: PEFT chooses up matrices and parameters of
/// one dimension; a convolution's magnitude has four there.
bool is_fast(const LoraParameter& parameter) {
  return parameter.role == "up" || (parameter.role == "magnitude" && !parameter.is_of_conv);
}

at::Tensor& tensor_of(LoraLayer& layer, const std::string& role) {
  if (role == "down") return layer.down;
  return role == "up" ? layer.up : layer.magnitude;
}

}  // namespace

LoraTraining::LoraTraining(std::shared_ptr<UNet2DConditionModel> unet,
                           std::shared_ptr<PromptEncoder> encoder,
                           const LoraTrainingOptions& options)
    : unet_(std::move(unet)), encoder_(std::move(encoder)), options_(options) {
  adapters_ = std::make_unique<LoraAdapters>(adapted_components(*unet_, encoder_.get()),
                                             options.adapters, options.seed);
  if (encoder_) require_adapted_encoders(*adapters_, options.adapters.target_modules);
  // One group for each learning rate: the UNet's and the encoders', each without and with LoRA+'s
  // ratio.
  for (const bool is_unet : {true, false}) {
    for (const bool fast : {false, true}) {
      const double rate = is_unet ? options.learning_rate : options.text_encoder_learning_rate;
      ParameterGroup group{is_unet ? "unet" : "text_encoders",
                           rate * (fast ? options.up_ratio : 1.0),
                           options.weight_decay,
                           {}};
      if (fast) group.name += ".up";
      for (const LoraParameter& parameter : adapters_->parameters()) {
        if ((parameter.layer.component == kUNetFolder) != is_unet) continue;
        if (is_fast(parameter) != fast) continue;
        group.tensors.push_back(
            {parameter.layer.text() + "." + parameter.role, parameter.tensor, {}});
        flat_.push_back(parameter);
      }
      if (!group.tensors.empty()) groups_.push_back(std::move(group));
    }
  }
  unet_->set_gradient_checkpointing(options.gradient_checkpointing);
  if (!encoder_) return;
  encoder_->text_encoder(1)->set_gradient_checkpointing(options.gradient_checkpointing);
  encoder_->text_encoder(2)->set_gradient_checkpointing(options.gradient_checkpointing);
}

at::Tensor LoraTraining::predict(const TrainingBatch& batch, const at::Tensor& noisy,
                                 const at::Tensor& timesteps) {
  // 1. Prompts: embedded already, or encoded here so that gradients reach the encoders' adapters.
  adapters_->set_dropout_draws(batch.draws);
  PromptEmbeds embeds = batch.embeds;
  if (encoder_) {
    std::vector<std::string> captions = batch.captions;
    std::vector<float> kept;
    for (size_t i = 0; i < captions.size(); ++i) {
      const bool dropped = batch.caption_dropped[i];
      if (dropped) captions[i].clear();
      kept.push_back(dropped && options_.force_zeros_for_empty_prompt ? 0.0f : 1.0f);
    }
    embeds = encoder_->encode(captions, captions);
    const at::Tensor mask = at::tensor(kept)
                                .to(noisy.device(), embeds.pooled_prompt_embeds.scalar_type())
                                .view({-1, 1});
    embeds = {embeds.prompt_embeds * mask.unsqueeze(-1),  // [B, S, D]
              embeds.pooled_prompt_embeds * mask};        // [B, P]
  }

  // 2. The UNet with its adapters.
  return unet_->forward(noisy.to(options_.compute_dtype),
                        to_device(timesteps, noisy.device()).to(at::kFloat), embeds.prompt_embeds,
                        embeds.pooled_prompt_embeds, batch.time_ids);
}

void LoraTraining::save(const fs::path& directory, const std::vector<at::Tensor>& values,
                        const WeightSetName& name) const {
  LoraWeights weights = adapters_->weights();
  for (size_t i = 0; i < flat_.size(); ++i) {
    tensor_of(weights.layers.at(flat_[i].layer), flat_[i].role) = values[i].detach();
  }
  lora_format("diffusers")
      .write(directory / with_suffix(kLoraWeights, name.suffix), weights, unet_->config());
  if (options_.save_kohya) {
    lora_format("kohya").write(directory / with_suffix(kKohyaLoraWeights, name.suffix), weights,
                               unet_->config());
  }
}

LoraWeights LoraTraining::read(const fs::path& file) const {
  LayerNames names;
  names.add_unet(*unet_);
  if (encoder_) {
    names.add_text_encoder(kTextEncoderFolder, *encoder_->text_encoder(1));
    names.add_text_encoder(kTextEncoder2Folder, *encoder_->text_encoder(2));
  }
  LoraWeights weights = read_lora(file, names);
  if (!weights.absent.empty()) {
    std::vector<std::string> components;
    for (const auto& [component, count] : weights.absent) components.push_back(component);
    throw Error(ExitStatus::kBadData,
                sdxl::str(weights.source, " also adapts ", join(components, " and "),
                          ", which this run does not train: add --train_text_encoder"));
  }
  require_all_matched(weights, "leave them out of the file");
  return weights;
}

std::vector<at::Tensor> LoraTraining::load(const fs::path& directory,
                                           const WeightSetName& name) const {
  const fs::path file = directory / with_suffix(kLoraWeights, name.suffix);
  LoraWeights weights = read(file);
  std::vector<at::Tensor> values;
  for (const LoraParameter& parameter : flat_) {
    auto layer = weights.layers.find(parameter.layer);
    const at::Tensor value =
        layer == weights.layers.end() ? at::Tensor() : tensor_of(layer->second, parameter.role);
    if (!value.defined() || value.sizes() != parameter.tensor.sizes()) {
      throw Error(
          ExitStatus::kBadData,
          sdxl::str(file.string(), ": the ", parameter.role, " matrix of ", parameter.layer.text(),
                    " is missing or has another shape: the checkpoint belongs to another run"));
    }
    values.push_back(value);
  }
  return values;
}

void LoraTraining::start_from(const fs::path& file) { adapters_->load(read(file)); }

}  // namespace sdxl
