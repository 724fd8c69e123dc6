// The interface of LoRA file formats: how each names layers, and how it is written. Which tensors
// an adapter has is the same in all of them (tensor_roles.h).
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "io/safetensors.h"
#include "lora/layer_names.h"
#include "lora/lora_weights.h"

namespace sdxl {

class LoraFormat {
 public:
  virtual ~LoraFormat() = default;

  /// Returns the layer that `stem` names, a tensor's key without its role; nullopt if the stem is
  /// not in this format. The path may have '_' for '.' (LayerNames::find resolves it).
  virtual std::optional<LayerName> parse(const std::string& stem) const = 0;

  /// Whether the metadata or the name of `file` declares this format, whatever its keys are.
  virtual bool is_declared_by(const SafetensorsFile& file) const {
    (void)file;
    return false;
  }
  /// Whether only is_declared_by() tells this format: its keys look like another's.
  virtual bool needs_declaration() const { return false; }
  /// Whether linear layers' matrices are stored transposed: down [in, r], up [r, out].
  virtual bool transposes_matrices() const { return false; }

  virtual bool can_write() const { return false; }
  /// Writes `weights` to `path`, replacing what is there. `unet` is the config of the UNet that
  /// they adapt. Only if can_write().
  virtual void write(const std::filesystem::path& path, const LoraWeights& weights,
                     const UNet2DConditionConfig& unet) const {
    (void)path, (void)weights, (void)unet;
  }
};

}  // namespace sdxl
