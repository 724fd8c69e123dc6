// Validation of a run while it trains: pictures of fixed prompts and seeds, and the loss at fixed
// noise and timesteps.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "distributed/ranks.h"
#include "pipelines/stable_diffusion_xl.h"
#include "training/objective.h"
#include "training/trackers/tracker.h"
#include "training/trainables/trainable.h"

namespace sdxl {

struct ValidationPrompt {
  std::string text;
  PromptConditioning conditioning;
};

struct PictureOptions {
  int64_t images_per_prompt = 4;
  int64_t side = 1024;  ///< Pixels.
  uint64_t seed = 0;    ///< Prompt k has the seed + k. Its pictures share one generator.
  double guidance_scale = 5.0;
  DenoiseOptions denoise;
};

class ValidationPictures {
 public:
  /// Draws with the live UNet and keeps the decoder, so that nothing has to be loaded again.
  ValidationPictures(PictureOptions options, std::vector<ValidationPrompt> prompts,
                     SchedulerPlan plan, std::shared_ptr<const UNet2DConditionModel> unet,
                     std::shared_ptr<const AutoencoderKL> vae, Ranks& ranks);

  /// Replaces the embeddings of the prompts, which change while text encoders train.
  void set_prompts(std::vector<ValidationPrompt> prompts) { prompts_ = std::move(prompts); }

  /// Draws all prompts, divided among the ranks. The first rank writes the pictures to `directory`
  /// and returns them; others return nothing. A stop signal to any rank throws Interrupted on all.
  /// A picture that cannot be written costs a warning.
  std::vector<TrackedImage> draw(const std::filesystem::path& directory) const;

 private:
  std::vector<Image> draw_prompt(size_t k) const;
  /// This rank's pictures, by prompt; nothing if a stop was requested.
  std::optional<std::map<size_t, std::vector<Image>>> draw_share() const;
  /// Sends the pictures of prompt k to rank 0 from the rank that drew them.
  std::vector<Image> collect(size_t k, const std::vector<Image>& drawn) const;

  PictureOptions options_;
  std::vector<ValidationPrompt> prompts_;
  SchedulerPlan plan_;
  std::shared_ptr<const UNet2DConditionModel> unet_;
  std::shared_ptr<const AutoencoderKL> vae_;
  Ranks& ranks_;
};

/// The mean loss of fixed batches, unweighted and without gradients. Each sample is measured at
/// four timesteps spread over the schedule, with noise that training does not use.
class ValidationLoss {
 public:
  ValidationLoss(Trainable& trainable, const Objective& objective,
                 std::vector<TrainingBatch> batches, Ranks& ranks);
  /// Divides the work among the ranks. Returns the same number on all of them, whatever their
  /// number. Throws Interrupted if a stop is requested.
  double measure() const;

 private:
  static constexpr int64_t kTimestepsPerSample = 4;

  /// The sum of the losses of a batch, each sample at one timestep in this quarter of the schedule.
  /// `first` counts the samples before the batch.
  double loss_sum(const TrainingBatch& batch, int64_t first, int64_t quarter) const;

  Trainable& trainable_;
  const Objective& objective_;
  std::vector<TrainingBatch> batches_;
  Ranks& ranks_;
};

}  // namespace sdxl
