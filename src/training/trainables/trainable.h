// The trained part of a model: the only difference between full and LoRA training. The trainer uses
// the model only through this interface.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "training/batch.h"
#include "training/trainables/parameters.h"

namespace sdxl {

/// Distinguishes sets of weights in one directory, such as the weights and their moving average.
struct WeightSetName {
  std::string suffix;                  ///< Appended to the folder or the stem of the file: "_ema".
  Json extra_config = Json::object();  ///< Merged into the config.json, if the set has one.
};

class Trainable {
 public:
  virtual ~Trainable() = default;

  /// The tensors to train, in an order that depends only on the configuration. They require
  /// gradients; nothing else in the model does.
  virtual const std::vector<ParameterGroup>& parameter_groups() const = 0;

  /// The UNet's output [B, C, h, w] for noisy latents [B, C, h, w] (float32) at `timesteps` [B]
  /// int64 (CPU) with the conditioning of `batch`. Builds the graph to the trained tensors.
  virtual at::Tensor predict(const TrainingBatch& batch, const at::Tensor& noisy,
                             const at::Tensor& timesteps) = 0;

  /// With false, makes the model compute as before training; with true, undoes that. Returns false,
  /// with nothing changed, if the trainable cannot.
  virtual bool set_trained(bool) { return false; }

  /// Writes weights in the layout that inference reads (unet/, pytorch_lora_weights.safetensors)
  /// into `directory`. `values`, parallel to the flattened groups, replace the trained tensors:
  /// they are the weights or their moving average.
  virtual void save(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
                    const WeightSetName& name) const = 0;
  /// Reads the values that save() wrote, in the order of the flattened groups. Error(kBadData)
  /// names the file if it belongs to another model.
  virtual std::vector<at::Tensor> load(const std::filesystem::path& directory,
                                       const WeightSetName& name) const = 0;
};

}  // namespace sdxl
