// sdxl train-lora: trains LoRA adapters on the UNet, and with --train_text_encoder on both text
// encoders.
#include "base/error.h"
#include "base/files/files.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/train/options.h"
#include "commands/train/run.h"
#include "config/memory_advice.h"
#include "config/validation.h"
#include "io/model_files.h"
#include "training/trainables/lora_training.h"

namespace sdxl {
namespace {

LoraTrainingOptions lora_training_options(const TrainingContext& context) {
  const TrainConfig& config = context.config;
  LoraTrainingOptions options;
  options.adapters = {config.rank, config.lora_alpha.value_or(static_cast<double>(config.rank)),
                      config.lora_dropout, config.use_dora, config.lora_target_modules};
  options.seed = context.seed;
  options.learning_rate = context.peak_learning_rate();
  options.text_encoder_learning_rate = config.text_encoder_lr.value_or(options.learning_rate);
  options.weight_decay = config.adam_weight_decay;
  options.up_ratio = config.lora_plus_ratio;
  options.compute_dtype = context.dtype;
  options.gradient_checkpointing = config.gradient_checkpointing;
  options.force_zeros_for_empty_prompt =
      context.pipeline.force_zeros_for_empty_prompt() && config.compat == "none";
  options.save_kohya = config.save_kohya;
  return options;
}

class LoraTask : public TrainingTask {
 public:
  explicit LoraTask(const TrainConfig& config) : config_(config) {}

  bool trains_text_encoders() const override { return config_.train_text_encoder; }

  TrainedModel load(const TrainingContext& context, const TrainingData& data,
                    const std::optional<fs::path>& checkpoint) override {
    TrainedModel model;
    const Placement placement{context.device, context.dtype};
    const std::shared_ptr<PromptEncoder> encoder =
        config_.train_text_encoder ? data.prompt_encoder() : nullptr;
    if (config_.base_dtype) {
      const QuantisedFormat format =
          *config_.base_dtype == "fp8" ? QuantisedFormat::kFp8 : QuantisedFormat::kInt8;
      model.unet = load_quantised_unet(context.pipeline.root() / kUNetFolder, context.variant(),
                                       placement, format);
      for (const int number : {1, 2}) {
        if (encoder)
          quantise_linears(*encoder->text_encoder(number), format, placement, [](const auto&) {});
      }
    } else {
      model.unet = context.pipeline.unet(placement);
    }
    auto trainable =
        std::make_unique<LoraTraining>(model.unet, encoder, lora_training_options(context));
    if (checkpoint) {
      trainable->start_from(*checkpoint);
    } else if (!context.inputs.loras.empty()) {
      trainable->start_from(context.inputs.loras.front());
    }
    model.trainable = std::move(trainable);
    return model;
  }

  void write_result(const TrainingContext& context, const Trainable& trainable,
                    const std::vector<at::Tensor>& values) override {
    trainable.save(context.config.output_dir, values, {});
  }

  ResultSize result_size(const TrainingContext& context) const override {
    UNet2DConditionModel unet(read_unet_config(context.pipeline.part(kUNetFolder)));
    std::map<std::string, Module*> components = {{kUNetFolder, &unet}};
    std::vector<std::shared_ptr<CLIPTextModel>> encoders;
    for (const int number : {1, 2}) {
      if (!config_.train_text_encoder) break;
      encoders.push_back(context.pipeline.empty_text_encoder(number));
      components[text_encoder_folder(number)] = encoders.back().get();
    }
    const uint64_t files = config_.save_kohya ? 2 : 1;
    return {count_adapter_elements(components, lora_training_options(context).adapters),
            files * sizeof(float)};
  }
  bool reads_base_unet() const override { return true; }
  std::vector<std::string> result_files() const override {
    if (config_.save_kohya) return {kLoraWeights, kKohyaLoraWeights};
    return {kLoraWeights};
  }
  const char* run_name() const override { return "text2image-fine-tune"; }
  ModelCard model_card() const override {
    return {"train-lora",
            {"lora"},
            config_.train_text_encoder
                ? "LoRA adapters of the UNet and both text encoders of Stable Diffusion XL."
                : "LoRA adapters of the UNet of Stable Diffusion XL."};
  }

 private:
  const TrainConfig& config_;
};

class TrainLoraCommand : public Command {
 public:
  std::string summary() const override {
    return "train LoRA adapters for the UNet and the text encoders";
  }
  OptionSet& options() override { return options_; }
  void validate() override { validate_train_config(config_); }
  ExitStatus run() override {
    LoraTask task(config_);
    return run_training(config_, options_, task);
  }
  std::string memory_advice() const override {
    return sdxl::memory_advice(config_, TrainKind::kLora);
  }

 private:
  TrainConfig config_{TrainKind::kLora};
  OptionSet options_{train_table(config_)};
};

}  // namespace

std::unique_ptr<Command> make_train_lora_command() { return std::make_unique<TrainLoraCommand>(); }

}  // namespace sdxl
