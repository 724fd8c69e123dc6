// The arithmetic of adapters in training, as overrides of the layers that they adapt: the low-rank
// product is added to the frozen layer's result.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "lora/layer_names.h"
#include "lora/options.h"
#include "models/layers.h"

namespace sdxl {

/// What all adapters of a run share.
struct LoraShared {
  LoraOptions options;
  uint64_t seed = 0;
  bool enabled = true;
  std::vector<int64_t> draws;  ///< Of the batch, for dropout's masks; if empty, nothing is dropped.
  int64_t adapter_count = 0;

  double scaling() const { return options.alpha / static_cast<double>(options.rank); }
};

/// The matrices of one layer, and the layer's override before they were put on.
struct LoraAdapter {
  std::shared_ptr<const LoraShared> shared;
  LayerName name;
  int64_t index = 0;  ///< Among all adapters.
  Linear* linear = nullptr;
  Conv2d* conv = nullptr;
  std::shared_ptr<const LinearOverride> former_linear;
  std::shared_ptr<const ConvOverride> former_conv;
  at::Tensor down;       ///< [r, in] or [r, in, k, k], float32
  at::Tensor up;         ///< [out, r] or [out, r, 1, 1]
  at::Tensor magnitude;  ///< [out], with DoRA

  /// The frozen weight, dequantised: float32 [out, in] or [out, in * k * k].
  at::Tensor frozen_weight() const;
  at::Device device() const;
};

/// Makes the adapter its layer's override.
void put_on(const std::shared_ptr<LoraAdapter>& adapter);
/// Restores the layer's former override.
void take_off(const LoraAdapter& adapter);

}  // namespace sdxl
