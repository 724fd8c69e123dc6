// LoRA training: trains adapters on the UNet, and on both text encoders if those train. Everything
// else is frozen in the compute dtype.
#pragma once

#include <memory>
#include <vector>

#include "conditioning/prompt_encoder.h"
#include "lora/lora_adapters.h"
#include "models/unet_2d_condition.h"
#include "training/trainables/trainable.h"

namespace sdxl {

struct LoraTrainingOptions {
  LoraOptions adapters;
  uint64_t seed = 0;  ///< Initialises new matrices.
  double learning_rate = 1e-4, weight_decay = 1e-2;
  double text_encoder_learning_rate = 1e-4;
  /// LoRA+ (Hayou et al. 2024): the up matrices' learning rate is this times the others'. As in
  /// PEFT's create_loraplus_optimizer, DoRA's magnitudes of linear layers have that rate too.
  double up_ratio = 1.0;
  at::ScalarType compute_dtype = at::kFloat;
  bool gradient_checkpointing = false;
  /// With training encoders: replaces a dropped caption by zeros, not by the encoding of "".
  bool force_zeros_for_empty_prompt = true;
  bool save_kohya = false;  ///< Also writes the file that web UIs read.
};

class LoraTraining : public Trainable {
 public:
  /// `encoder` holds the text encoders that train; null if they are frozen. Error(kUsage) if the
  /// target modules match no layer of them.
  LoraTraining(std::shared_ptr<UNet2DConditionModel> unet, std::shared_ptr<PromptEncoder> encoder,
               const LoraTrainingOptions& options);

  const std::vector<ParameterGroup>& parameter_groups() const override { return groups_; }
  at::Tensor predict(const TrainingBatch& batch, const at::Tensor& noisy,
                     const at::Tensor& timesteps) override;
  bool set_trained(bool trained) override {
    adapters_->set_enabled(trained);
    return true;
  }
  /// Writes pytorch_lora_weights`suffix`.safetensors, and with save_kohya
  /// kohya_lora_weights`suffix`.safetensors.
  void save(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
            const WeightSetName& name) const override;
  std::vector<at::Tensor> load(const std::filesystem::path& directory,
                               const WeightSetName& name) const override;

  /// Loads the adapters of a file, which must have the same layers and rank.
  void start_from(const std::filesystem::path& file);

 private:
  LoraWeights read(const std::filesystem::path& file) const;

  std::shared_ptr<UNet2DConditionModel> unet_;
  std::shared_ptr<PromptEncoder> encoder_;
  LoraTrainingOptions options_;
  std::unique_ptr<LoraAdapters> adapters_;
  std::vector<ParameterGroup> groups_;
  std::vector<LoraParameter> flat_;  // in the order of the flattened groups
};

}  // namespace sdxl
