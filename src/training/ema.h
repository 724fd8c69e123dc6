// Exponential moving average of the trained weights, on the CPU, after diffusers' EMAModel.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "base/json.h"
#include "training/trainables/parameters.h"

namespace sdxl {

struct EmaOptions {
  double max_decay = 0.9999;
  /// Counts steps from one, as ppdiffusers does; diffusers counts from zero.
  bool first_step_decays = false;
};

class Ema {
 public:
  /// Starts as a copy of the tensors.
  Ema(std::vector<TrainedTensor> tensors, EmaOptions options);

  /// Call after an optimizer step: average -= (1 - decay) * (average - weight). The decay of update
  /// n (from 1) is 0 for n = 1, then min(max_decay, n / (9 + n)).
  void update();
  double decay(int64_t update) const;

  /// The averages: float32 on the CPU, parallel to the tensors.
  const std::vector<at::Tensor>& values() const { return values_; }
  int64_t updates() const { return updates_; }
  void load(const std::vector<at::Tensor>& values, int64_t updates);

  /// The keys that diffusers' EMAModel writes to the config.json of unet_ema/.
  Json config() const;

 private:
  std::vector<TrainedTensor> tensors_;
  EmaOptions options_;
  std::vector<at::Tensor> values_;
  int64_t updates_ = 0;
};

}  // namespace sdxl
