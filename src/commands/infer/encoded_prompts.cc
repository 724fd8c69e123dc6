#include "commands/infer/encoded_prompts.h"

#include "io/model_files.h"

namespace sdxl {

struct EncodedPrompts::Encoders {
  std::shared_ptr<CLIPTextModel> first, second;
  PromptEncoder encoder;
  LoraMerger merger;
  std::string state;  ///< encoder_state() of the LoRAs that are merged.

  Encoders(const PipelineDirectory& pipeline, const Placement& placement)
      : first(pipeline.text_encoder(1, placement)),
        second(pipeline.text_encoder(2, placement)),
        encoder(pipeline.tokenizer(1), pipeline.tokenizer(2), first, second),
        merger({{kTextEncoderFolder,
                 {first.get(), first->under_own_names(pipeline.text_encoder_weights(1))}},
                {kTextEncoder2Folder,
                 {second.get(), second->under_own_names(pipeline.text_encoder_weights(2))}}}) {}
};

EncodedPrompts::EncodedPrompts(const PipelineDirectory& pipeline, const Placement& placement,
                               const LoraLibrary& loras)
    : pipeline_(pipeline), placement_(placement), loras_(loras) {}

EncodedPrompts::~EncodedPrompts() = default;

EncodedPrompts::Key EncodedPrompts::key(const PictureJob& job, const WeightSet& set) const {
  return {loras_.encoder_state(set, job.lora_scale.value_or(1.0)), job.texts};
}

void EncodedPrompts::encode(const PictureJob& job, const WeightSet& set) {
  const Key wanted = key(job, set);
  if (entries_.contains(wanted)) return;
  if (!encoders_) encoders_ = std::make_unique<Encoders>(pipeline_, placement_);
  if (encoders_->state != wanted.first) {
    encoders_->merger.merge(loras_.of(set, job.lora_scale.value_or(1.0)));
    encoders_->state = wanted.first;
  }
  const PromptEmbeds*& negative =
      negatives_[{wanted.first, job.texts.negative_prompt, job.texts.negative_prompt_2}];
  PromptConditioning made = encode_prompt(encoders_->encoder, job.texts,
                                          pipeline_.force_zeros_for_empty_prompt(), negative);
  const PromptConditioning& entry = entries_[wanted] = std::move(made);
  if (negative == nullptr) negative = &entry.negative;
}

void EncodedPrompts::close() { encoders_.reset(); }

const PromptConditioning& EncodedPrompts::of(const PictureJob& job, const WeightSet& set) const {
  return entries_.at(key(job, set));
}

}  // namespace sdxl
