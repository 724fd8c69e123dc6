// LoRA adapters in training: float32 matrices beside the frozen layers of a UNet and of text
// encoders (Hu et al. 2021; PEFT's tuners/lora), optionally with DoRA (Liu et al. 2024; PEFT's
// tuners/lora/dora.py).
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lora/lora_weights.h"
#include "lora/options.h"
#include "models/module.h"

namespace sdxl {

/// One trained tensor.
struct LoraParameter {
  LayerName layer;
  std::string role;  ///< "down", "up" or "magnitude"
  at::Tensor tensor;
  bool is_of_conv = false;  ///< Whether the layer is a convolution.
};

struct LoraShared;
struct LoraAdapter;

/// Elements of the tensors that LoraAdapters would train on these components, which need no
/// weights.
uint64_t count_adapter_elements(const std::map<std::string, Module*>& components,
                                const LoraOptions& options);

class LoraAdapters {
 public:
  /// Puts adapters on the layers of `components` ("unet", "text_encoder", "text_encoder_2") that
  /// the options choose. The components must outlive this object, whose destructor removes the
  /// adapters. A starts as randn([rank, in]) / rank from the weights stream of `seed`, where the
  /// i-th layer in the order of components and paths uses index i; B starts as zeros. Error(kUsage)
  /// if a target matches no layer.
  LoraAdapters(const std::map<std::string, Module*>& components, const LoraOptions& options,
               uint64_t seed);
  ~LoraAdapters();
  LoraAdapters(const LoraAdapters&) = delete;
  LoraAdapters& operator=(const LoraAdapters&) = delete;

  /// All trained tensors in the order of components and paths; all require gradients.
  std::vector<LoraParameter> parameters() const;

  /// Switches all adapters on or off. Layers without them compute as before.
  void set_enabled(bool enabled);
  /// Sets the draws of the next batch. In training, dropout's masks are a function of seed, draw
  /// and layer.
  void set_dropout_draws(std::vector<int64_t> draws);

  /// The adapters as files hold them; the tensors share memory with the trained ones.
  LoraWeights weights() const;
  /// Copies the values of `weights`. Error(kBadData) if its layers, ranks or alphas differ.
  void load(const LoraWeights& weights);

 private:
  std::shared_ptr<LoraShared> shared_;
  std::vector<std::shared_ptr<LoraAdapter>> adapters_;
};

}  // namespace sdxl
