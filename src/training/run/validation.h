// Looking at a run while it trains: pictures of fixed prompts and seeds, and the loss at fixed
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
  uint64_t seed = 0;    ///< Prompt k has the seed + k; its pictures share the generator.
  double guidance_scale = 5.0;
  DenoiseOptions denoise;
};

class ValidationPictures {
 public:
  /// Draws with the live UNet and keeps the decoder: nothing is loaded again.
  ValidationPictures(PictureOptions options, std::vector<ValidationPrompt> prompts,
                     SchedulerPlan plan, std::shared_ptr<const UNet2DConditionModel> unet,
                     std::shared_ptr<const AutoencoderKL> vae, Ranks& ranks);

  /// Other embeddings of the prompts, where the encoders train.
  void set_prompts(std::vector<ValidationPrompt> prompts) { prompts_ = std::move(prompts); }

  /// Draws every prompt, shared out over the ranks; the first writes
  /// `directory`/{index:05d}_{seed}.png and returns them. A stop signal to any rank ends it with
  /// Interrupted on all.
  std::vector<TrackedImage> draw(const std::filesystem::path& directory) const;

 private:
  std::vector<Image> draw_prompt(size_t k) const;
  /// This rank's pictures, by prompt; nothing when a stop came.
  std::optional<std::map<size_t, std::vector<Image>>> draw_share() const;
  /// The pictures of prompt k on rank 0, from the rank that drew them.
  std::vector<Image> collect(size_t k, const std::vector<Image>& drawn) const;

  PictureOptions options_;
  std::vector<ValidationPrompt> prompts_;
  SchedulerPlan plan_;
  std::shared_ptr<const UNet2DConditionModel> unet_;
  std::shared_ptr<const AutoencoderKL> vae_;
  Ranks& ranks_;
};

/// The mean loss of these batches, each sample at a few timesteps of a fixed spread and with noise
/// that no training draw uses; unweighted, without gradients.
class ValidationLoss {
 public:
  ValidationLoss(Trainable& trainable, const Objective& objective,
                 std::vector<TrainingBatch> batches, Ranks& ranks);
  /// Shared out over the ranks; the same number on all, however many they are. A stop request ends
  /// it with Interrupted.
  double measure() const;

 private:
  Trainable& trainable_;
  const Objective& objective_;
  std::vector<TrainingBatch> batches_;
  Ranks& ranks_;
};

}  // namespace sdxl
