// Draws planned pictures with each set of weights, for `sdxl infer`.
#pragma once

#include <ATen/ATen.h>

#include <memory>
#include <string>
#include <vector>

#include "base/progress.h"
#include "commands/infer/encoded_prompts.h"
#include "commands/infer/picture_store.h"
#include "commands/infer/plan.h"
#include "commands/infer/report.h"
#include "commands/infer/swappable_unet.h"
#include "commands/infer/weight_sets.h"
#include "commands/inputs/resolved_inputs.h"
#include "distributed/ranks.h"
#include "pretrained/pipeline_directory.h"

namespace sdxl {

class InferRun {
 public:
  /// Opens the model and reads its configs; loads no weights. The arguments outlive the object.
  InferRun(const InferConfig& config, const ResolvedInputs& inputs, at::Device device,
           Ranks& ranks);

  int64_t default_side() const { return unet_config_.sample_size * latent_scale(); }
  int64_t latent_scale() const { return vae_config_.scale_factor(); }

  const std::vector<WeightSet>& sets() const { return sets_; }

  /// Draws every job of `plan` with every weight set into `store`, except pictures that exist. Each
  /// rank draws its share, in the batches that a single rank would form. A failure of one picture
  /// or checkpoint goes to the report and the rest goes on, except for a full disk or a stop.
  /// Error(kUsage), before anything is loaded, for a picture that exists with other parameters.
  void draw(const PicturePlan& plan, PictureStore& store);

  /// Everything that shapes the pictures of `job` with `set`, for the manifest and the PNG's text.
  Json picture_parameters(const PictureJob& job, const WeightSet& set) const;

  const InferReport& report() const { return report_; }
  InferReport& report() { return report_; }

 private:
  using Batch = std::vector<const PictureJob*>;
  /// The jobs left to draw with one set.
  struct Work {
    const WeightSet* set;
    std::vector<const PictureJob*> jobs;
  };

  std::vector<Work> find_work(const PicturePlan& plan, const PictureStore& store);
  /// Keeps this rank's share: whole sets if there are enough for all ranks, else batches.
  void take_share(std::vector<Work>* work) const;
  void read_loras(std::vector<Work>* work);
  void encode_prompts(std::vector<Work>* work);
  /// Groups jobs that can share calls of the UNet (same size, steps, guidance on or off, LoRA
  /// scale). Batches with the same LoRA scale follow one another.
  std::vector<Batch> batches(const std::vector<const PictureJob*>& jobs) const;
  uint64_t count_steps(const std::vector<Work>& work) const;
  /// Draws with one set while a thread reads the files of `next`, if there is one.
  void draw_set(const Work& work, const Work* next, PictureStore& store);
  /// The last batch frees the UNet's recorded calls before it is decoded.
  void draw_batch(const Batch& batch, const WeightSet& set, PictureStore& store, bool is_last);
  std::vector<at::Tensor> denoise_batch(const Batch& batch, const WeightSet& set);
  std::vector<Image> decode(const at::Tensor& latents);
  void put_pictures(const PictureJob& job, const WeightSet& set, const at::Tensor& latents,
                    PictureStore& store);
  std::string file_of(const PictureJob& job, int64_t number, const WeightSet& set) const;
  /// Runs `work` and returns true. If it throws an error that concerns only `what`, reports that
  /// and returns false.
  bool attempt(const std::string& what, const std::function<void()>& work);
  /// Of UNet and VAE, which may repack their weights.
  Placement for_inference() const;
  std::string variant() const { return config_.variant.value_or(""); }
  std::unique_ptr<Scheduler> planned_scheduler(int64_t steps) const;

  const InferConfig& config_;
  const ResolvedInputs& inputs_;
  Ranks& ranks_;
  Placement placement_;
  PipelineDirectory pipeline_;
  std::vector<WeightSet> sets_;
  UNet2DConditionConfig unet_config_;
  AutoencoderKLConfig vae_config_;

  std::unique_ptr<LoraLibrary> loras_;
  std::unique_ptr<EncodedPrompts> prompts_;
  std::unique_ptr<SwappableUNet> unet_;
  UNetReplay replay_;
  std::shared_ptr<AutoencoderKL> vae_;
  std::unique_ptr<Progress> progress_;
  double weights_seconds_ = 0;  // to load the current weight set
  InferReport report_;
};

}  // namespace sdxl
