// Combinations of options that cannot work.
#include "config/validation.h"

#include <initializer_list>
#include <string>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ExitStatus::kUsage, str(parts...));
}

void require_model(const std::string& name) {
  if (name.empty()) {
    refuse(
        "--pretrained_model_name_or_path is missing: give a directory of diffusers' layout or a "
        "Hub "
        "repository such as stabilityai/stable-diffusion-xl-base-1.0");
  }
}

// Training

void check_data(const TrainConfig& c) {
  if (!c.dataset_name && !c.train_data_dir) {
    refuse("no data: give --train_data_dir, a folder of pictures with captions, or --dataset_name");
  }
  if (c.dataset_config_name && !c.dataset_name) {
    refuse("--dataset_config_name ", quoted(*c.dataset_config_name), " needs --dataset_name");
  }
  if (!c.image_column.empty() && c.image_column == c.caption_column) {
    refuse("--image_column and --caption_column are both ", quoted(c.image_column),
           ": name the column of the pictures and that of the captions");
  }
  if (c.cache_crops > 1 && (c.center_crop || !c.cache_latents)) {
    refuse("--cache_crops ", c.cache_crops, " needs random crops and the cache: leave out ",
           c.center_crop ? "--center_crop" : "--no_cache_latents");
  }
}

void check_output(const TrainConfig& c) {
  if (c.output_dir.empty()) refuse("--output_dir '': give a directory");
  if (c.overwrite_output_dir && c.resume_from_checkpoint) {
    refuse("--resume_from_checkpoint ", quoted(*c.resume_from_checkpoint),
           " goes on with a run and --overwrite_output_dir discards it: give one of them");
  }
  if (c.resume_from_checkpoint && c.resume_from_checkpoint->empty()) {
    refuse("--resume_from_checkpoint '': give a checkpoint's path, or latest");
  }
  if (c.keep_best_checkpoint && !c.validation_loss_steps) {
    refuse("--keep_best_checkpoint needs --validation_loss_steps");
  }
}

void check_optimizer(const TrainConfig& c) {
  if (c.use_8bit_adam && c.optimizer != "adamw" && c.optimizer != "adamw8bit") {
    refuse("--use_8bit_adam does not go with --optimizer ", c.optimizer,
           ": leave it out, or choose adamw8bit");
  }
  constexpr double kPolynomialEnd = 1e-7;
  if (c.lr_scheduler == "polynomial" && c.learning_rate <= kPolynomialEnd) {
    refuse("--learning_rate ", c.learning_rate, ": --lr_scheduler polynomial falls to ",
           kPolynomialEnd, " and needs a greater one");
  }
  for (const std::string& argument : c.optimizer_args) {
    if (!parse_optimizer_argument(argument)) {
      refuse("--optimizer_args ", quoted(argument), ": write NAME=NUMBER, such as d_coef=2");
    }
  }
}

void check_precision(const TrainConfig& c) {
  if (c.full_bf16 && c.mixed_precision == "fp16") {
    refuse("--mixed_precision fp16 does not go with --full_bf16; use bf16");
  }
  if (c.zero_stage == 1 && c.optimizer == "prodigy") {
    refuse(
        "--optimizer prodigy does not go with --zero_stage 1, since it looks at all gradients: use "
        "another, or --zero_stage 0");
  }
  if (!c.fused_backward) return;
  if (c.gradient_accumulation_steps > 1) {
    refuse("--gradient_accumulation_steps ", c.gradient_accumulation_steps,
           " does not go with --fused_backward, which keeps no gradients; use 1");
  }
  if (c.mixed_precision == "fp16") {
    refuse(
        "--mixed_precision fp16 does not go with --fused_backward, which steps before it is known "
        "whether a gradient overflowed; use bf16");
  }
  if (c.optimizer == "prodigy") {
    refuse(
        "--optimizer prodigy does not go with --fused_backward, since it looks at all gradients "
        "before it steps; use adamw, adamw8bit, adafactor or lion");
  }
}

void check_compat(const TrainConfig& c, TrainKind kind) {
  if (c.compat == "none") return;
  const TrainConfig defaults(kind);
  if (c.compat == "pp" && c.image_interpolation_mode != defaults.image_interpolation_mode &&
      c.image_interpolation_mode != "bilinear") {
    refuse("--image_interpolation_mode ", c.image_interpolation_mode,
           " does not go with --compat pp, whose pictures are resized bilinearly; leave it out");
  }
}

void check_timestep_bias(const TrainConfig& c) {
  if (c.timestep_bias_strategy == "range" && c.timestep_bias_begin >= c.timestep_bias_end) {
    refuse("--timestep_bias_begin ", c.timestep_bias_begin,
           " must be less than --timestep_bias_end ", c.timestep_bias_end,
           " for --timestep_bias_strategy range");
  }
}

void check_services(const TrainConfig& c) {
  if (c.hub_token) {  // whose value is not for messages
    refuse(
        "--hub_token is refused, since command lines are visible: set HF_TOKEN in the environment");
  }
  if (c.push_to_hub || c.hub_model_id) {
    refuse("--", c.push_to_hub ? "push_to_hub" : "hub_model_id",
           " is refused: sdxl does not upload; after the run: hf upload ",
           c.hub_model_id ? escaped(*c.hub_model_id) : "USER/NAME", " ", escaped(c.output_dir));
  }
  if (c.report_to == "comet_ml") {
    refuse("--report_to comet_ml is not supported: use tensorboard, wandb, all or none");
  }
}

/// An option that means something to the other training command alone.
struct Foreign {
  const char* name;
  bool changed;
};

void refuse_foreign(const char* command, std::initializer_list<Foreign> options) {
  for (const Foreign& option : options) {
    if (option.changed) refuse("--", option.name, " is for ", command, " alone: leave it out");
  }
}

void check_kind(const TrainConfig& c, TrainKind kind) {
  const TrainConfig defaults(kind);
  if (kind == TrainKind::kLora) {
    refuse_foreign("train-full",
                   {{"unet_config", c.unet_config.has_value()}, {"full_bf16", c.full_bf16}});
    if (c.text_encoder_lr && !c.train_text_encoder) {
      refuse("--text_encoder_lr ", *c.text_encoder_lr, " needs --train_text_encoder");
    }
    return;
  }
  refuse_foreign("train-lora", {{"rank", c.rank != defaults.rank},
                                {"lora_alpha", c.lora_alpha.has_value()},
                                {"lora_dropout", c.lora_dropout != defaults.lora_dropout},
                                {"lora_target_modules", !c.lora_target_modules.empty()},
                                {"lora_weights", c.lora_weights.has_value()},
                                {"use_dora", c.use_dora},
                                {"train_text_encoder", c.train_text_encoder},
                                {"text_encoder_lr", c.text_encoder_lr.has_value()},
                                {"lora_plus_ratio", c.lora_plus_ratio != defaults.lora_plus_ratio},
                                {"save_kohya", c.save_kohya},
                                {"base_dtype", c.base_dtype.has_value()}});
}

// Drawing

void check_lora(const InferConfig& c) {
  if (!c.lora_scale.empty() && c.lora_scale.size() != c.lora.size()) {
    refuse("--lora is given ", c.lora.size(), " times and --lora_scale ", c.lora_scale.size(),
           " times: give one scale for each, or none");
  }
  if (c.lora_allow_unmatched && c.lora.empty() && c.checkpoints.empty()) {
    refuse("--lora_allow_unmatched needs --lora or --checkpoints");
  }
  if (c.checkpoints.empty() && (c.include_base || c.use_ema)) {
    refuse("--", c.include_base ? "include_base" : "use_ema", " needs --checkpoints");
  }
}

void check_single_output(const InferConfig& c) {
  if (!c.checkpoints.empty() || c.prompt_file) {
    refuse("--output ", quoted(*c.output), " is for one picture, and ",
           !c.checkpoints.empty() ? "--checkpoints" : "--prompt_file",
           " may make many: give --output_dir");
  }
  if (const auto pictures = int64_t(c.prompt.size()) * c.num_images_per_prompt; pictures > 1) {
    refuse("--output ", quoted(*c.output), " is for one picture, and ", pictures,
           " are asked for: give --output_dir");
  }
  const std::string extension = c.output_type == "latent" ? ".safetensors" : ".png";
  if (!c.output->ends_with(extension) || c.output->size() == extension.size()) {
    refuse("--output ", quoted(*c.output), " must end in ", extension);
  }
}

void check_output(const InferConfig& c) {
  if (c.output && c.output_dir) {
    refuse("--output ", quoted(*c.output), " and --output_dir ", quoted(*c.output_dir),
           ": give one of them");
  }
  if (!c.output && !c.output_dir) {
    refuse("no place for the pictures: give --output FILE.png, or --output_dir DIR");
  }
  if (c.output_dir && c.output_dir->empty()) refuse("--output_dir '': give a directory");
  if (c.output) check_single_output(c);
}

}  // namespace

void validate_train_config(const TrainConfig& config, TrainKind kind) {
  require_model(config.pretrained_model_name_or_path);
  check_services(config);
  check_data(config);
  check_output(config);
  check_optimizer(config);
  check_precision(config);
  check_compat(config, kind);
  check_timestep_bias(config);
  check_kind(config, kind);
}

void validate_cache_config(const TrainConfig& config) {
  require_model(config.pretrained_model_name_or_path);
  check_data(config);
  if (!config.cache_latents) refuse("--no_cache_latents leaves nothing to fill: leave it out");
  if (!config.seed && !(config.center_crop && !config.max_train_samples)) {
    refuse(
        "--seed is missing: random crops and --max_train_samples depend on it; give that of the "
        "runs to come, or --center_crop");
  }
}

void validate_infer_config(const InferConfig& config) {
  require_model(config.pretrained_model_name_or_path);
  if (config.prompt.empty() && !config.prompt_file) {
    refuse("no prompt: give --prompt, as often as you like, or --prompt_file");
  }
  if (!config.timesteps.empty() && !config.sigmas.empty()) {
    refuse("--timesteps and --sigmas say the same thing twice: give one of them");
  }
  check_lora(config);
  check_output(config);
}

void validate_convert_config(const ConvertConfig& config) {
  if (config.input.empty()) refuse("--input is missing: give the model or LoRA to convert");
  if (config.output.empty()) refuse("--output is missing: give the path of the result");
}

}  // namespace sdxl
