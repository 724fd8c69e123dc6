// Writing of models in diffusers' layout.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <string>

namespace sdxl {

/// Writes one part, its config and weights in `dtype` (Undefined: as they are), under the names
/// that diffusers gives it. `directory` appears whole or not at all.
void write_diffusers_part(const std::filesystem::path& directory, const std::filesystem::path& part,
                          const std::string& variant, at::ScalarType dtype);

/// The same of a whole pipeline directory with the VAE of `vae`.
void write_diffusers_pipeline(const std::filesystem::path& directory,
                              const std::filesystem::path& pipeline,
                              const std::filesystem::path& vae, const std::string& variant,
                              at::ScalarType dtype);

}  // namespace sdxl
