// What is trained: the one value in which full and LoRA training differ. The trainer knows the
// model only through this.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "training/batch.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Which of several sets of weights is written.
struct WeightSetName {
  std::string suffix;                  ///< "_ema" behind the folder's or file's stem; "" for none.
  Json extra_config = Json::object();  ///< Added to the config.json, where there is one.
};

class Trainable {
 public:
  virtual ~Trainable() = default;

  /// The tensors to train. Their number, order and names are the same in every run of one
  /// configuration. They require gradients; nothing else in the model does.
  virtual const std::vector<ParameterGroup>& parameter_groups() const = 0;

  /// The UNet's output [B, C, h, w] for noisy latents [B, C, h, w] (float32) at `timesteps` [B]
  /// int64 (CPU), conditioned as `batch` says, with the graph that leads to the trained tensors.
  virtual at::Tensor predict(const TrainingBatch& batch, const at::Tensor& noisy,
                             const at::Tensor& timesteps) = 0;

  /// Makes the model compute as if nothing had been trained, and again with what was: for pictures
  /// of both. False where it cannot, and nothing changes.
  virtual bool set_trained(bool) { return false; }

  /// Writes what users and our own inference read (unet/, pytorch_lora_weights.safetensors) into
  /// `directory`, with `values` (parallel to the flattened groups) in place of the trained tensors:
  /// the weights themselves, or their moving average.
  virtual void save(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
                    const WeightSetName& name) const = 0;
  /// Reads back what save() wrote, in the order of the flattened groups. Error(kBadData) names the
  /// file when it is not of this model.
  virtual std::vector<at::Tensor> load(const std::filesystem::path& directory,
                                       const WeightSetName& name) const = 0;
};

}  // namespace sdxl
