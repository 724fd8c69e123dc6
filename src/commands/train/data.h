// What a training run sees: the data set's draws as batches of latents and embedded prompts, and
// the prompts of validation. Encoders are loaded here and freed as soon as nothing needs them.
#pragma once

#include <memory>
#include <vector>

#include "commands/train/context.h"
#include "data/loader.h"
#include "data/training_set.h"
#include "training/batch_maker.h"
#include "training/run/validation.h"

namespace sdxl {

class TrainingData {
 public:
  /// Opens the data set and looks it over; loads no model.
  explicit TrainingData(const TrainingContext& context);

  int64_t size() const { return set_.dataset->size(); }
  const CheckReport& report() const { return set_.report; }

  /// Fills the caches, or with --no_cache_latents loads the encoders that every step needs; with
  /// `text_encoders_train` prompts stay texts.
  void prepare(bool text_encoders_train);
  /// Fills the caches alone, that of embeddings with `prompts`.
  void fill_caches(bool prompts);
  /// This rank's micro-batches from draw `first` on.
  BatchSource batches(int64_t first);
  /// The first samples of the first epoch, for the validation loss; no more than `count`.
  std::vector<TrainingBatch> validation_batches(int64_t count);

  const std::vector<ValidationPrompt>& validation_prompts() const { return validation_prompts_; }
  /// The same as encoders that train see them now.
  std::vector<ValidationPrompt> encode_validation_prompts() const;
  /// The encoders, if they train.
  const std::shared_ptr<PromptEncoder>& prompt_encoder() const { return prompt_encoder_; }
  /// How long the trainer has waited for data so far, in seconds.
  double waited_seconds() const { return loader_ ? loader_->waited_seconds() : 0; }

 private:
  std::shared_ptr<PromptCache> filled_prompts() const;
  void use_cached_prompts();
  void load_prompt_encoder();
  void add_validation_prompts(const std::function<PromptConditioning(const std::string&)>& encode);

  const TrainingContext& context_;
  TrainingSet set_;
  std::shared_ptr<PromptEncoder> prompt_encoder_;
  std::vector<ValidationPrompt> validation_prompts_;
  PromptEmbeds dropped_;
  std::shared_ptr<BatchMaker> maker_;
  std::shared_ptr<Loader> loader_;
};

}  // namespace sdxl
