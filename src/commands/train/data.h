// The data side of a training run: batches of latents and prompt embeddings, and the validation
// prompts. Loads the encoders and frees them as soon as nothing needs them.
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
  /// Opens the data set and checks it; loads no model. `context` outlives the object.
  explicit TrainingData(const TrainingContext& context);

  int64_t size() const { return set_.dataset->size(); }
  const CheckReport& report() const { return set_.report; }
  /// A hash of pictures and captions, which does not depend on paths.
  std::string fingerprint() const { return set_.fingerprint(); }

  /// Fills the caches, or with --no_cache_latents loads the encoders that every step needs. With
  /// `text_encoders_train` prompts stay texts, for the Trainable to encode.
  void prepare(bool text_encoders_train);
  /// Only fills the caches: latents, and with `prompts` prompt embeddings.
  void fill_caches(bool prompts);
  /// Returns this rank's micro-batches from draw `first` on.
  BatchSource batches(int64_t first);
  /// Returns the first samples of the first epoch, at most `count`, for the validation loss.
  std::vector<TrainingBatch> validation_batches(int64_t count);

  const std::vector<ValidationPrompt>& validation_prompts() const { return validation_prompts_; }
  /// Encodes the validation prompts with the text encoders as trained so far.
  std::vector<ValidationPrompt> encode_validation_prompts() const;
  /// The text encoders; null unless they train or nothing is cached.
  const std::shared_ptr<PromptEncoder>& prompt_encoder() const { return prompt_encoder_; }
  /// Seconds that the trainer has waited for data so far.
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
