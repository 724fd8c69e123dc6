// LoRA adapters in training: float32 matrices beside the frozen layers of a UNet and of text
// encoders. After Hu et al. 2021 and PEFT's tuners/lora; DoRA after Liu et al. 2024 and PEFT's
// tuners/lora/dora.py.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lora/lora_file.h"
#include "models/module.h"

namespace sdxl {

struct LoraOptions {
  int64_t rank = 4;
  double alpha = 4;    ///< The adapters' output is scaled by alpha / rank.
  double dropout = 0;  ///< Of the adapters' input.
  bool use_dora = false;
  /// Names ("to_q": layers whose path ends so at a dot) or patterns with '*' (of whole paths).
  /// Empty: the projections of all attentions.
  std::vector<std::string> target_modules;
};

/// One trained tensor.
struct LoraParameter {
  LayerName layer;
  std::string role;  ///< "down", "up" or "magnitude"
  at::Tensor tensor;
};

struct LoraShared;
struct LoraAdapter;

class LoraAdapters {
 public:
  /// Puts adapters on the layers of `components` ("unet", "text_encoder", "text_encoder_2") that
  /// the options choose. The components outlive this object, which takes the adapters off again
  /// when it ends. A starts as randn([rank, in]) / rank from the weights stream of `seed`, the i-th
  /// layer in the order of components and paths using index i; B starts as zeros. Error(kUsage) if
  /// a target matches no layer.
  LoraAdapters(const std::map<std::string, Module*>& components, const LoraOptions& options,
               uint64_t seed);
  ~LoraAdapters();
  LoraAdapters(const LoraAdapters&) = delete;
  LoraAdapters& operator=(const LoraAdapters&) = delete;

  /// In the order of components and paths; all require gradients.
  std::vector<LoraParameter> parameters() const;

  /// Without their adapters the layers compute as before.
  void set_enabled(bool enabled);
  /// The draws of the batch that comes, on which dropout acts in training: its masks are a function
  /// of seed, draw and layer.
  void set_dropout_draws(std::vector<int64_t> draws);

  /// The adapters as a file holds them (sharing memory).
  LoraWeights weights() const;
  /// Copies the values of a file with the same layers and ranks; Error(kBadData) where they differ.
  void load(const LoraWeights& weights);

 private:
  std::shared_ptr<LoraShared> shared_;
  std::vector<std::shared_ptr<LoraAdapter>> adapters_;
};

}  // namespace sdxl
