// What a training run sees: the data set's draws as batches of latents and embedded prompts, and
// the prompts of validation. Encoders are loaded here and freed as soon as nothing needs them.
#pragma once

#include <memory>
#include <vector>

#include "commands/model_loading.h"
#include "config/train_config.h"
#include "data/loader.h"
#include "training/batch_maker.h"
#include "training/validation.h"

namespace sdxl {

/// What every part of a run is built from.
struct TrainingContext {
  const TrainConfig& config;
  const PipelineDirectory& pipeline;
  at::Device device;
  at::ScalarType dtype;  ///< What frozen parts compute in.
  uint64_t seed;

  std::filesystem::path vae_directory() const;
  std::string variant() const { return config.variant.value_or(""); }
};

class TrainingData {
 public:
  /// Opens the data set and reads its index; loads no model.
  explicit TrainingData(const TrainingContext& context);

  int64_t size() const { return dataset_->size(); }
  const Dataset& dataset() const { return *dataset_; }

  /// Loads the encoders and prepares for training; with `text_encoders_train` prompts stay texts.
  void prepare(bool text_encoders_train);
  /// Micro-batches from `first` on.
  BatchSource batches(int64_t first);
  /// The first samples of the first epoch, for the validation loss; no more than `count`.
  std::vector<TrainingBatch> validation_batches(int64_t count);

  const std::vector<ValidationPrompt>& validation_prompts() const { return validation_prompts_; }
  /// The encoders, if they train.
  const std::shared_ptr<PromptEncoder>& prompt_encoder() const { return prompt_encoder_; }

 private:
  void prepare_prompts(bool text_encoders_train);
  void prepare_pictures();
  PromptEmbedding embed(const std::vector<std::string>& captions) const;

  const TrainingContext& context_;
  std::shared_ptr<const Dataset> dataset_;
  std::shared_ptr<SampleSource> source_;
  std::shared_ptr<PromptEncoder> prompt_encoder_;
  std::shared_ptr<AutoencoderKL> vae_;
  double scaling_factor_ = 1.0;
  PromptEmbedding dropped_;
  std::vector<ValidationPrompt> validation_prompts_;
  std::shared_ptr<BatchMaker> maker_;
  std::shared_ptr<Loader> loader_;
};

}  // namespace sdxl
