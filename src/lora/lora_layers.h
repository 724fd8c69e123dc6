// The arithmetic of adapters in training: methods of the layers that they stand beside. The frozen
// layer computes as it did; the low-rank product is added to its result.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "lora/lora_adapters.h"
#include "models/layers.h"

namespace sdxl {

/// What all adapters of a run have in common.
struct LoraShared {
  LoraOptions options;
  uint64_t seed = 0;
  bool enabled = true;
  std::vector<int64_t> draws;  ///< Of the batch that dropout acts on; none: no dropout.
  int64_t adapter_count = 0;

  double scaling() const { return options.alpha / static_cast<double>(options.rank); }
};

/// The matrices of one layer, and what the layer computed with before.
struct LoraAdapter {
  std::shared_ptr<const LoraShared> shared;
  LayerName name;
  int64_t index = 0;  ///< Among all adapters.
  Linear* linear = nullptr;
  Conv2d* conv = nullptr;
  std::shared_ptr<const LinearMethod> linear_base;
  std::shared_ptr<const ConvMethod> conv_base;
  at::Tensor down;       ///< [r, in] or [r, in, k, k], float32
  at::Tensor up;         ///< [out, r] or [out, r, 1, 1]
  at::Tensor magnitude;  ///< [out], with DoRA

  /// The frozen weight as numbers: float32 [out, in] or [out, in * k * k].
  at::Tensor frozen_weight() const;
  at::Device device() const;
};

/// Makes the adapter part of its layer, and takes it off again.
void put_on(const std::shared_ptr<LoraAdapter>& adapter);
void take_off(const LoraAdapter& adapter);

}  // namespace sdxl
