// What a training run looks at while it trains: its validation pictures and its validation loss,
// measured with the weights that the result will have.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "commands/train/context.h"
#include "commands/train/data.h"
#include "training/ema.h"
#include "training/parallel/optimizer_shards.h"
#include "training/run/run_hooks.h"
#include "training/run/validation.h"

namespace sdxl {

/// The parts of a run that validation reads. They outlive the RunValidation.
struct ValidatedRun {
  const TrainingContext& context;
  TrainingData& data;
  bool trains_text_encoders;
  std::shared_ptr<UNet2DConditionModel> unet;
  Trainable& trainable;
  const Objective& objective;
  const Optimizer& optimizer;
  const Ema* ema;           ///< Null without --use_ema.
  OptimizerShards* shards;  ///< Null where every rank has everything.
};

class RunValidation {
 public:
  /// Loads the VAE's decoder if there are prompts, and the samples of the validation loss if it is
  /// asked for.
  explicit RunValidation(const ValidatedRun& run);

  bool draws() const { return pictures_ != nullptr; }
  bool measures() const { return loss_ != nullptr; }

  /// The mean loss on samples and noise that stay the same for the whole run. Collective.
  double measure();
  /// Draws every prompt into validation/step-N, or validation/test for the `tag` "test". The first
  /// call of a run also draws validation/base, without what is trained, where the model can.
  /// A stop request leaves the pictures unfinished. Collective. Returns what the first rank wrote.
  void draw(const std::string& tag, int64_t step, RunLog& log);
  /// Does for a run resumed at `first_step` what a stop or a kill kept the earlier one from doing
  /// after that step. A run from the start has nothing to catch up with.
  void catch_up(RunHooks& hooks, int64_t first_step) const;

 private:
  void load_pictures();
  std::filesystem::path folder_of(const std::string& tag, int64_t step) const;
  void with_result_weights(const std::function<void()>& look);
  void draw_into(const std::filesystem::path& folder, const std::string& tag, int64_t step,
                 RunLog& log);
  /// Whether the first rank found it.
  bool first_found(bool found) const;

  ValidatedRun run_;
  std::filesystem::path output_dir_;
  std::unique_ptr<ValidationLoss> loss_;
  std::unique_ptr<ValidationPictures> pictures_;
};

}  // namespace sdxl
