// The adapters of a LoRA file in memory, whatever format the file has.
#pragma once

#include <ATen/ATen.h>

#include <map>
#include <string>
#include <vector>

#include "lora/layer_names.h"

namespace sdxl {

/// The adapter of one layer: W + scale * (alpha / rank) * up @ down (Hu et al. 2021).
struct LoraLayer {
  at::Tensor down;       ///< [r, in], of a convolution [r, in, k, k]
  at::Tensor up;         ///< [out, r], of a convolution [out, r, 1, 1]
  double alpha = 0;      ///< The rank if the file gives none.
  at::Tensor magnitude;  ///< [out], the length of each row; only with DoRA (Liu et al. 2024).

  int64_t rank() const { return down.size(0); }
};

struct LoraWeights {
  std::map<LayerName, LoraLayer> layers;
  std::vector<std::string> unmatched;  ///< Keys of tensors that name no layer of the pipeline.
  /// Numbers of unmatched tensors for components of which the pipeline has no layers at all.
  std::map<std::string, int64_t> absent;
  std::string source;  ///< The file, for errors.

  bool adapts(const std::string& component) const;
  bool has_dora() const;
};

/// Error(kBadData) that lists unmatched keys, if there are any, names the model that they seem to
/// be for, and ends with `remedy`.
void require_all_matched(const LoraWeights& weights,
                         const std::string& remedy = "--lora_allow_unmatched goes on without them");

}  // namespace sdxl
