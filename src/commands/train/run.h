// A training run from its options to its result, as train-full and train-lora share it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "commands/train/data.h"
#include "commands/train/disk_space.h"
#include "commands/train/model_card.h"
#include "config/option_table.h"
#include "training/trainables/trainable.h"

namespace sdxl {

/// A model and what is trained of it.
struct TrainedModel {
  std::shared_ptr<UNet2DConditionModel> unet;
  std::unique_ptr<Trainable> trainable;
};

/// The part in which the training commands differ: what is trained and what is written at the end.
class TrainingTask {
 public:
  virtual ~TrainingTask() = default;
  /// If true, the Trainable encodes prompts at every step.
  virtual bool trains_text_encoders() const { return false; }
  /// Loads the model, with the trained tensors of `checkpoint` if a directory is given.
  virtual TrainedModel load(const TrainingContext& context, const TrainingData& data,
                            const std::optional<std::filesystem::path>& checkpoint) = 0;
  /// Writes the result into the output directory, with `values` as the trained tensors.
  virtual void write_result(const TrainingContext& context, const Trainable& trainable,
                            const std::vector<at::Tensor>& values) = 0;
  /// Whether the result builds on the base model's UNet, also when a run is resumed.
  virtual bool reads_base_unet() const = 0;
  /// Counts the result from configs, without loading weights.
  virtual ResultSize result_size(const TrainingContext& context) const = 0;
  /// Names of the result in the output directory: files, and folders that are replaced as a whole.
  virtual std::vector<std::string> result_files() const = 0;
  /// Command, tags and description for the README.md.
  virtual ModelCard model_card() const = 0;
  /// The name that trackers group runs by.
  virtual const char* run_name() const = 0;
};

/// Trains to the last step, from the start or from the checkpoint that --resume_from_checkpoint
/// names. With --dry_run only checks options and data.
ExitStatus run_training(const TrainConfig& config, const OptionSet& options, TrainingTask& task);

}  // namespace sdxl
