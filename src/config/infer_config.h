// The options of infer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/common_config.h"

namespace sdxl {

struct InferConfig : CommonConfig {
  // Model
  std::string pretrained_model_name_or_path;
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::optional<std::string> unet;
  std::vector<std::string> checkpoints;
  bool include_base = false;
  bool use_ema = false;
  std::vector<std::string> lora;
  std::vector<double> lora_scale;
  bool lora_allow_unmatched = false;

  // Prompts
  std::vector<std::string> prompt;
  std::optional<std::string> prompt_file;
  std::optional<std::string> prompt_2, negative_prompt, negative_prompt_2;
  int64_t clip_skip = 0;

  // Images
  std::optional<int64_t> height, width;
  std::optional<IntPair> original_size, target_size;
  IntPair crops_coords_top_left;
  int64_t num_images_per_prompt = 1;
  int64_t batch_size = 1;

  // Sampling
  std::optional<std::string> scheduler;
  int64_t num_inference_steps = 30;
  std::vector<int64_t> timesteps;
  std::vector<double> sigmas;
  bool rescale_betas_zero_snr = false;
  double guidance_scale = 7.5, guidance_rescale = 0;

  // Output
  std::optional<std::string> output, output_dir;
  bool overwrite = false;
  std::string output_type = "png";
  bool json = false;

  // Memory
  bool vae_tiling = false, vae_slicing = false;
  bool enable_xformers_memory_efficient_attention = false;
};

/// The table of infer, bound to `config`.
std::vector<Option> infer_table(InferConfig& config);

}  // namespace sdxl
