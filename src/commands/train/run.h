// What train-full and train-lora have in common: everything but what is trained.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "commands/train/data.h"
#include "commands/train/model_card.h"
#include "config/option_table.h"
#include "training/trainables/trainable.h"

namespace sdxl {

/// What is trained and the model that it is part of.
struct TrainedModel {
  std::shared_ptr<UNet2DConditionModel> unet;
  std::unique_ptr<Trainable> trainable;
};

/// A training command's own part.
class TrainingSubject {
 public:
  virtual ~TrainingSubject() = default;
  /// Whether prompts must be encoded at every step, by the Trainable.
  virtual bool trains_text_encoders() const { return false; }
  /// Loads the model; its trained tensors are those of the checkpoint directory, if one is given.
  virtual TrainedModel load(const TrainingContext& context, const TrainingData& data,
                            const std::optional<std::filesystem::path>& checkpoint) = 0;
  /// Writes what the run was for into the output directory, with `values` as the trained tensors.
  virtual void write_result(const TrainingContext& context, const Trainable& trainable,
                            const std::vector<at::Tensor>& values) = 0;
  /// Command, tags and description of the README.md.
  virtual ModelCard model_card() const = 0;
  /// The name under which trackers group runs.
  virtual const char* run_name() const = 0;
};

/// Trains from start, or from the checkpoint that --resume_from_checkpoint names, to the end.
ExitStatus run_training(const TrainConfig& config, const OptionSet& options,
                        TrainingSubject& subject);

}  // namespace sdxl
