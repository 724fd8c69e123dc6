// Checkpoints in one .safetensors file, in the naming of SDXL's original code as web UIs share
// them, or a UNet or VAE alone.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "io/safetensors.h"
#include "io/tensor_view.h"

namespace sdxl {

/// What lies where in a single file.
struct SingleFileContents {
  /// By the folder of diffusers' layout; parts that the file does not hold are absent.
  std::map<std::string, TensorParts> parts;
  /// Tensors that no part uses: `known` ones are tables and buffers that configs stand for, or the
  /// averaged copy of weights that are there too.
  std::vector<std::string> known, unknown;
  bool v_prediction = false, zero_terminal_snr = false;  ///< Marks that some models carry.
};

/// `configs` is a directory of diffusers' layout with the configs of such a model. Error(kBadData)
/// for files of other models and for parts that are incomplete.
SingleFileContents read_single_file(const SafetensorsFile& file,
                                    const std::filesystem::path& configs);

/// A directory of diffusers' layout in the user's cache whose weights are views of `file`, and
/// whose configs and tokenizers are those of `configs`. It costs no copy of the weights. Tensors
/// that are not used are logged.
std::filesystem::path single_file_pipeline(const std::filesystem::path& file,
                                           const std::filesystem::path& configs);

}  // namespace sdxl
