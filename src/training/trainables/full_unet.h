// Full fine-tuning: trains every parameter of the UNet.
#pragma once

#include <memory>
#include <vector>

#include "models/unet_2d_condition.h"
#include "training/trainables/trainable.h"

namespace sdxl {

struct FullUNetOptions {
  double learning_rate = 1e-4, weight_decay = 1e-2;
  /// The dtype that the model computes in. Unless it is float32, the model uses copies of the
  /// weights.
  at::ScalarType compute_dtype = at::kFloat;
  /// Trains bfloat16 weights without a float32 copy (--full_bf16).
  bool bfloat16_weights = false;
  bool gradient_checkpointing = false;
};

class FullUNet : public Trainable {
 public:
  /// Shares the parameters of `unet`: float32, or bfloat16 with bfloat16_weights.
  FullUNet(std::shared_ptr<UNet2DConditionModel> unet, const FullUNetOptions& options);

  const std::vector<ParameterGroup>& parameter_groups() const override { return groups_; }
  at::Tensor predict(const TrainingBatch& batch, const at::Tensor& noisy,
                     const at::Tensor& timesteps) override;
  /// Writes unet`suffix`/ in diffusers' layout.
  void save(const std::filesystem::path& directory, const std::vector<at::Tensor>& values,
            const WeightSetName& name) const override;
  std::vector<at::Tensor> load(const std::filesystem::path& directory,
                               const WeightSetName& name) const override;
  /// Writes config.json and weights into `folder` itself.
  void write(const std::filesystem::path& folder, const std::vector<at::Tensor>& values,
             const Json& extra_config = Json::object()) const;

 private:
  std::shared_ptr<UNet2DConditionModel> unet_;
  at::ScalarType dtype_;
  std::vector<ParameterGroup> groups_;
};

}  // namespace sdxl
