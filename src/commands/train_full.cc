// sdxl train-full: fine-tunes every weight of the UNet.
#include "base/atomic_files.h"
#include "base/files.h"
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
      model.unet = random_unet(*config.unet_config, context.seed, placement);
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
    write_pipeline_around(output_dir,
                          {context.pipeline.root(), context.inputs.vae, context.variant(),
                           context.dtype, context.config.prediction_type.value_or("")},
                          write_unet);
  }

  const char* run_name() const override { return "text2image-fine-tune-sdxl"; }
  ModelCard model_card() const override {
    return {"train-full", {}, "Stable Diffusion XL with a fine-tuned UNet."};
  }

 private:
  static std::shared_ptr<UNet2DConditionModel> random_unet(const std::string& file, uint64_t seed,
                                                           const Placement& placement) {
    auto unet = std::make_shared<UNet2DConditionModel>(
        UNet2DConditionConfig::from_json(read_json(file), file));
    unet->initialize(seed, placement);
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
