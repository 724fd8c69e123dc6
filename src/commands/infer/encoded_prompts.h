// The encoded prompts of an infer run: each text once for each state of the text encoders, which
// are gone before the UNet comes.
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

class PromptBook {
 public:
  /// The arguments outlive this object.
  PromptBook(const PipelineDirectory& pipeline, const Placement& placement,
             const LoraLibrary& loras);
  ~PromptBook();

  /// Encodes the job's texts with the text encoders as `set` makes them; loads them when first
  /// called. Error(kUsage) for a clip_skip that the encoders do not have.
  void encode(const PictureJob& job, const WeightSet& set);
  /// The text encoders are not needed any more.
  void close();
  /// What encode() made of the job.
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
  /// The first entry with each negative texts, which all others with them share.
  using NegativeKey =
      std::tuple<std::string, std::optional<std::string>, std::optional<std::string>>;
  std::map<NegativeKey, const PromptEmbeds*> negatives_;
};

}  // namespace sdxl
