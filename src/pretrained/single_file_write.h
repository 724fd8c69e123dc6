// Writes a model as one .safetensors file in the naming of SDXL's original code.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>

namespace sdxl {

/// Writes UNet, VAE (from `vae`) and text encoders of a pipeline directory, in `dtype` (Undefined
/// keeps each tensor's). Error(kBadData) for tensors that the naming has no place for.
void write_single_file(const std::filesystem::path& file, const std::filesystem::path& pipeline,
                       const std::filesystem::path& vae, const std::string& variant,
                       at::ScalarType dtype);

}  // namespace sdxl
