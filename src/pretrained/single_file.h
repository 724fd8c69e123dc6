// Reads models in one .safetensors file: whole ones in the naming of SDXL's original code, as web
// UIs share them, or a UNet or VAE alone.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "io/tensor_view.h"

namespace sdxl {

/// Where each part lies in a single file.
struct SingleFileContents {
  /// Keyed by the part's folder in diffusers' layout; without parts that the file lacks.
  std::map<std::string, TensorParts> parts;
  /// Tensors that no part uses. `known` ones are tables and buffers that follow from the configs,
  /// or a moving average beside the weights.
  std::vector<std::string> known, unknown;
  bool v_prediction = false, zero_terminal_snr = false;  ///< Marks of models that predict velocity.
};

/// Finds the parts of `file`. `configs` is a directory in diffusers' layout with the configs of
/// such a model. Error(kBadData) for files of other models and for incomplete parts.
SingleFileContents read_single_file(const SafetensorsFile& file,
                                    const std::filesystem::path& configs);

/// Returns a directory in diffusers' layout below the user's cache: its weights are views of `file`
/// without a copy, its configs and tokenizers those of `configs`. Logs tensors that are not used.
std::filesystem::path single_file_pipeline(const std::filesystem::path& file,
                                           const std::filesystem::path& configs);

}  // namespace sdxl
