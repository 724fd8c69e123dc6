// The encoded prompts of an infer run: each text is encoded once per state of the text encoders,
// which are freed before the UNet is loaded.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

#include "commands/infer/lora_library.h"
#include "commands/infer/plan.h"
#include "pipelines/stable_diffusion_xl.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class EncodedPrompts {
 public:
  /// The arguments outlive this object.
  EncodedPrompts(const PipelineDirectory& pipeline, const Placement& placement,
                 const LoraLibrary& loras);
  ~EncodedPrompts();

  /// Encodes the job's texts with the LoRAs of `set` merged into the text encoders. The first call
  /// loads the encoders. Error(kUsage) for a clip_skip past their layers.
  void encode(const PictureJob& job, const WeightSet& set);
  /// Frees the text encoders.
  void close();
  /// The embeddings that encode() made for the job.
  const PromptConditioning& of(const PictureJob& job, const WeightSet& set) const;

 private:
  struct Encoders;
  using Key = std::pair<std::string, PromptTexts>;
  Key key(const PictureJob& job, const WeightSet& set) const;

  const PipelineDirectory& pipeline_;
  Placement placement_;
  const LoraLibrary& loras_;
  std::unique_ptr<Encoders> encoders_;
  std::map<Key, PromptConditioning> entries_;
  /// One entry per distinct negative prompt; entries with the same one share its embeddings.
  using NegativeKey =
      std::tuple<std::string, std::optional<std::string>, std::optional<std::string>>;
  std::map<NegativeKey, const PromptConditioning*> negatives_;
};

}  // namespace sdxl
