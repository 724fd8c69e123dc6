// The options of train-full and train-lora: the flags of diffusers' two training scripts with their
// defaults, and sdxl's. Both commands have the same table; only the default of output_dir differs.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/common_config.h"

namespace sdxl {

enum class TrainKind { kFull, kLora };

struct TrainConfig : CommonConfig {
  explicit TrainConfig(TrainKind kind)
      : output_dir(kind == TrainKind::kFull ? "sdxl-model-finetuned" : "sd-model-finetuned-lora") {}

  // Model
  std::string pretrained_model_name_or_path;
  std::optional<std::string> pretrained_vae_model_name_or_path;
  std::optional<std::string> unet_config;
  std::optional<std::string> prediction_type;

  // Data
  std::optional<std::string> dataset_name, dataset_config_name, train_data_dir;
  std::string image_column = "image", caption_column = "text";
  std::optional<int64_t> max_train_samples;
  double proportion_empty_prompts = 0;
  std::string on_bad_image = "fail";
  int64_t dataloader_num_workers = 0;

  // Images
  int64_t resolution = 1024;
  bool center_crop = false, random_flip = false;
  std::string image_interpolation_mode = "lanczos";
  bool bucketing = false;

  // Cache
  bool cache_latents = true;
  int64_t cache_crops = 1;
  std::optional<std::string> cache_dtype;
  std::optional<std::string> embedding_cache_dir;

  // Output
  std::string output_dir;
  std::optional<std::string> rescue_dir;
  bool overwrite_output_dir = false;
  int64_t checkpointing_steps = 500;
  std::optional<int64_t> checkpoints_total_limit;
  std::optional<std::string> resume_from_checkpoint;
  bool allow_other_data = false;
  bool keep_best_checkpoint = false;

  // Length
  int64_t train_batch_size = 16;
  int64_t gradient_accumulation_steps = 1;
  int64_t num_train_epochs = 100;
  bool exact_epochs = false;
  std::optional<int64_t> max_train_steps;

  // Optimizer
  std::string optimizer = "adamw";
  std::vector<std::string> optimizer_args;
  bool use_8bit_adam = false;
  double learning_rate = 1e-4;
  bool scale_lr = false;
  std::string lr_scheduler = "constant";
  int64_t lr_warmup_steps = 500;
  int64_t lr_num_cycles = 1;
  double lr_power = 1;
  double adam_beta1 = 0.9, adam_beta2 = 0.999, adam_weight_decay = 1e-2, adam_epsilon = 1e-8;
  double max_grad_norm = 1;

  // Objective
  std::string loss_type = "l2";
  double huber_c = 0.1;
  std::optional<double> snr_gamma;
  double noise_offset = 0;
  double input_perturbation = 0;
  std::string timestep_bias_strategy = "none";
  double timestep_bias_multiplier = 1;
  int64_t timestep_bias_begin = 0, timestep_bias_end = 1000;
  double timestep_bias_portion = 0.25;
  bool use_ema = false;
  std::string compat = "none";

  // LoRA
  int64_t rank = 4;
  std::optional<double> lora_alpha;
  double lora_dropout = 0;
  std::vector<std::string> lora_target_modules;
  std::optional<std::string> lora_weights;
  bool use_dora = false;
  bool train_text_encoder = false;
  std::optional<double> text_encoder_lr;
  double lora_plus_ratio = 1;
  bool save_kohya = false;
  bool debug_loss = false;

  // Memory and speed
  bool gradient_checkpointing = false;
  bool full_bf16 = false;
  bool fused_backward = false;
  std::optional<std::string> base_dtype;
  bool allow_tf32 = false;
  bool enable_xformers_memory_efficient_attention = false;
  bool enable_npu_flash_attention = false;

  // Validation
  std::vector<std::string> validation_prompt;
  int64_t num_validation_images = 4;
  int64_t validation_epochs = 1;
  std::optional<int64_t> validation_steps;
  std::optional<int64_t> validation_resolution;
  std::optional<int64_t> validation_loss_steps;

  // Trackers and the Hub
  std::string report_to = "tensorboard";
  std::string logging_dir = "logs";
  bool push_to_hub = false;
  std::optional<std::string> hub_token, hub_model_id;

  // Distributed training
  int64_t local_rank = -1;
  int64_t zero_stage = 0;
  double ddp_timeout = 600;
};

/// The learning rate at which the schedule polynomial ends.
inline constexpr double kPolynomialEnd = 1e-7;

/// Splits one of optimizer_args into its name and number; null if it is not NAME=NUMBER.
std::optional<std::pair<std::string, double>> parse_optimizer_argument(const std::string& text);

/// "train-full" or "train-lora".
const char* command_name(TrainKind kind);

/// The table of both training commands, bound to `config`.
std::vector<Option> train_table(TrainConfig& config);

}  // namespace sdxl
