// Writing a whole pipeline directory that diffusers' from_pretrained reads.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>
#include <functional>

#include "pretrained/pipeline_directory.h"

namespace sdxl {

struct PipelineExport {
  std::filesystem::path vae_directory;  ///< Where the VAE comes from.
  std::string variant;                  ///< Of the weights that are read.
  at::ScalarType frozen_dtype;          ///< What text encoders and VAE are written in.
  std::string prediction_type;          ///< Into the scheduler's config, unless empty.
};

/// A whole pipeline into `directory`: `write_unet` writes its unet/ while a thread writes
/// everything else of `pipeline`.
void export_pipeline(const PipelineDirectory& pipeline, const PipelineExport& what,
                     const std::function<void()>& write_unet,
                     const std::filesystem::path& directory);

}  // namespace sdxl
