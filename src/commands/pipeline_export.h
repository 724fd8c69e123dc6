// Writing a whole pipeline directory that diffusers' from_pretrained reads.
#pragma once

#include <ATen/ATen.h>

#include <filesystem>

#include "commands/model_loading.h"

namespace sdxl {

struct PipelineExport {
  std::filesystem::path vae_directory;  ///< Where the VAE comes from.
  std::string variant;                  ///< Of the weights that are read.
  at::ScalarType frozen_dtype;          ///< What text encoders and VAE are written in.
  std::string prediction_type;          ///< Into the scheduler's config, unless empty.
};

/// Everything of `pipeline` but the UNet into `directory`, beside the unet/ that is there already.
void export_pipeline(const PipelineDirectory& pipeline, const PipelineExport& what,
                     const std::filesystem::path& directory);

}  // namespace sdxl
