// Writes models in diffusers' layout, as its save_pretrained does.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

namespace sdxl {

struct PipelineExport {
  std::filesystem::path pipeline;  ///< The pipeline directory that is copied.
  std::filesystem::path vae;       ///< Where the VAE comes from.
  std::string variant;             ///< Of the weight files that are read.
  /// What VAE and text encoders are written in; Undefined keeps each tensor's.
  at::ScalarType dtype = at::ScalarType::Undefined;
  std::string prediction_type = "";  ///< Replaces that of the scheduler's config unless empty.
};

/// Writes the part whose folder name `part` ends with: config.json and weights under diffusers'
/// names, in `dtype` (Undefined keeps each tensor's). `directory` appears whole or not at all.
void write_diffusers_part(const std::filesystem::path& directory, const std::filesystem::path& part,
                          const std::string& variant, at::ScalarType dtype);

/// Writes a whole pipeline with its UNet. `directory` appears whole or not at all.
/// Error(kBadData) for a pipeline that lacks a part.
void write_diffusers_pipeline(const std::filesystem::path& directory, const PipelineExport& what);

/// Bytes of the weights that write_pipeline_around() writes besides the UNet, counted from the
/// configs that are there.
uint64_t frozen_bytes(const PipelineExport& what);

/// Writes a pipeline into `directory`, which may hold other files. `write_unet` writes its unet/
/// while a thread writes everything else; model_index.json comes last, so that a directory that
/// has it is complete.
void write_pipeline_around(const std::filesystem::path& directory, const PipelineExport& what,
                           const std::function<void()>& write_unet);

}  // namespace sdxl
