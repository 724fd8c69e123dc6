// The work of `sdxl infer`: the models it holds and the drawing of planned pictures with each set
// of weights.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "commands/infer_plan.h"
#include "commands/model_loading.h"
#include "commands/picture_store.h"
#include "commands/weight_sets.h"
#include "lora/lora_file.h"
#include "lora/lora_merge.h"

namespace sdxl {

/// A line of the table at the end.
struct PictureReport {
  std::string file;
  double seconds = 0, steps_per_second = 0;
  bool kept = false;  ///< It was there already.
};

class InferRun {
 public:
  /// Opens the model and reads its configs; loads no weights.
  InferRun(const InferConfig& config, at::Device device);

  int64_t default_side() const { return unet_config_.sample_size * latent_scale(); }
  int64_t latent_scale() const { return vae_config_.scale_factor(); }

  const std::vector<WeightSet>& sets() const { return sets_; }

  /// Draws every job of `plan` with every set of weights into `store`. Errors of one batch of
  /// pictures are collected, not thrown, unless they end the process (memory, disk, stop).
  void draw(const PicturePlan& plan, PictureStore& store);

  const std::vector<PictureReport>& reports() const { return reports_; }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  using Sink = std::function<void(const PictureJob&, int64_t number, const at::Tensor& latents,
                                  const Image& image)>;

  void read_loras();
  void load_encoders();
  /// The LoRA files of `set` with their scales times `factor`.
  std::vector<std::pair<const LoraWeights*, double>> loras_of(const WeightSet& set,
                                                              double factor) const;
  /// The weights of `set`, its LoRAs at `factor` of their scales.
  void load_set(const WeightSet& set, double factor);
  const PromptConditioning& conditioning(const PictureJob& job);
  void draw_set(const PicturePlan& plan, const WeightSet& set, PictureStore& store);
  Json picture_parameters(const PictureJob& job, const WeightSet& set) const;
  /// Jobs that can share calls of the UNet, with what they have in common equal.
  std::vector<std::vector<const PictureJob*>> batches(
      const std::vector<const PictureJob*>& jobs) const;
  void draw_batch(const std::vector<const PictureJob*>& jobs, const Sink& sink);
  /// Draws a batch into the store and notes how it went.
  void draw_and_store(const std::vector<const PictureJob*>& batch, const WeightSet& set,
                      PictureStore& store);
  std::string file_of(const PictureJob& job, int64_t number, const WeightSet& set) const;
  std::filesystem::path unet_directory(const WeightSet& set) const;
  std::filesystem::path vae_directory() const;
  std::string variant() const { return config_.variant.value_or(""); }
  std::unique_ptr<Scheduler> planned_scheduler(int64_t steps) const;

  const InferConfig& config_;
  at::Device device_;
  at::ScalarType dtype_;
  PipelineDirectory pipeline_;
  std::vector<WeightSet> sets_;
  UNet2DConditionConfig unet_config_;
  AutoencoderKLConfig vae_config_;

  std::map<std::filesystem::path, LoraWeights> loras_;
  bool encoders_adapted_ = false;  ///< Some LoRA changes a text encoder, so that they must stay.
  std::shared_ptr<CLIPTextModel> text_encoder_, text_encoder_2_;
  std::shared_ptr<const Tokenizer> tokenizer_, tokenizer_2_;
  /// By what changes the encoders ("" for nothing) and the texts.
  std::map<std::pair<std::string, PromptTexts>, PromptConditioning> conditionings_;
  std::string encoder_state_;

  std::shared_ptr<UNet2DConditionModel> unet_;
  std::filesystem::path loaded_unet_;
  std::unique_ptr<LoraMerger> merger_;
  std::shared_ptr<AutoencoderKL> vae_;
  std::unique_ptr<Progress> progress_;
  std::vector<PictureReport> reports_;
  std::vector<std::string> errors_;
};

}  // namespace sdxl
