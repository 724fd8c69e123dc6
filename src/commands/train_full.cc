// sdxl train-full: fine-tunes every weight of the UNet.
#include "base/files/atomic_files.h"
#include "base/files/files.h"
#include "base/text.h"
#include "commands/command.h"
#include "commands/train/options.h"
#include "commands/train/run.h"
#include "config/memory_advice.h"
#include "config/validation.h"
#include "io/model_files.h"
#include "pretrained/export.h"
#include "training/trainables/full_unet.h"

namespace sdxl {
namespace {

class FullTask : public TrainingTask {
 public:
  TrainedModel load(const TrainingContext& context, const TrainingData&,
                    const std::optional<fs::path>& checkpoint) override {
    const TrainConfig& config = context.config;
    FullUNetOptions options;
    options.learning_rate = context.peak_learning_rate();
    options.weight_decay = config.adam_weight_decay;
    options.compute_dtype = context.dtype;
    options.bfloat16_weights = config.full_bf16;
    options.gradient_checkpointing = config.gradient_checkpointing;
    const Placement placement{context.device, config.full_bf16 ? at::kBFloat16 : at::kFloat};
    TrainedModel model;
    if (checkpoint) {
      model.unet = load_unet(*checkpoint / kUNetFolder, "", placement);
    } else if (config.unet_config) {
      model.unet = random_unet(context, placement);
    } else {
      model.unet = context.pipeline.unet(placement);
    }
    model.trainable = std::make_unique<FullUNet>(model.unet, options);
    return model;
  }

  void write_result(const TrainingContext& context, const Trainable& trainable,
                    const std::vector<at::Tensor>& values) override {
    const fs::path output_dir = context.config.output_dir;
    const auto write_unet = [&] {
      AtomicDirectory folder(output_dir / kUNetFolder);
      static_cast<const FullUNet&>(trainable).write(folder.working_path(), values);
      folder.commit(/*replace=*/true);
    };
    write_pipeline_around(output_dir, exported(context), write_unet);
  }

  ResultSize result_size(const TrainingContext& context) const override {
    const std::optional<UNet2DConditionConfig> config = unet_config(context);
    return {config ? count_elements(UNet2DConditionModel(*config)) : 0,
            context.config.full_bf16 ? sizeof(at::BFloat16) : sizeof(float),
            frozen_bytes(exported(context))};
  }
  bool reads_base_unet() const override { return false; }
  std::vector<std::string> result_files() const override {
    return {kUNetFolder,      kVaeFolder,        kTextEncoderFolder, kTextEncoder2Folder,
            kTokenizerFolder, kTokenizer2Folder, kSchedulerFolder,   kModelIndexFile};
  }
  const char* run_name() const override { return "text2image-fine-tune-sdxl"; }
  ModelCard model_card() const override {
    return {"train-full", {}, "Stable Diffusion XL with a fine-tuned UNet."};
  }

 private:
  static PipelineExport exported(const TrainingContext& context) {
    return {context.pipeline.root(), context.inputs.vae, context.variant(), context.dtype,
            context.config.prediction_type.value_or("")};
  }
  /// Of --unet_config or the base model; none if a resumed run does without the base's UNet.
  static std::optional<UNet2DConditionConfig> unet_config(const TrainingContext& context) {
    if (const auto& file = context.config.unet_config) {
      return UNet2DConditionConfig::from_json(read_json(*file), *file);
    }
    const fs::path folder = context.pipeline.root() / kUNetFolder;
    if (!fs::exists(folder / kConfigFile)) return std::nullopt;
    return read_unet_config(folder);
  }
  static std::shared_ptr<UNet2DConditionModel> random_unet(const TrainingContext& context,
                                                           const Placement& placement) {
    auto unet = std::make_shared<UNet2DConditionModel>(*unet_config(context));
    unet->initialize(context.seed, placement);
    return unet;
  }
};

class TrainFullCommand : public Command {
 public:
  std::string summary() const override { return "fine-tune all weights of the UNet"; }
  OptionSet& options() override { return options_; }
  void validate() override { validate_train_config(config_); }
  ExitStatus run() override {
    FullTask task;
    return run_training(config_, options_, task);
  }
  std::string memory_advice() const override {
    return sdxl::memory_advice(config_, TrainKind::kFull);
  }

 private:
  TrainConfig config_{TrainKind::kFull};
  OptionSet options_{train_table(config_)};
};

}  // namespace

std::unique_ptr<Command> make_train_full_command() { return std::make_unique<TrainFullCommand>(); }

}  // namespace sdxl
