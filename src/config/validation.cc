#include "config/validation.h"

#include <string>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

template <typename... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  throw Error(ExitStatus::kUsage, parts...);
}

void require_model(const std::string& name) {
  if (!name.empty()) return;
  refuse("--pretrained_model_name_or_path is missing: give a directory in diffusers layout or a ",
         "Hub repository such as ", kBaseModel);
}

// Training

void check_data(const TrainConfig& c) {
  if (!c.dataset_name && !c.train_data_dir) {
    refuse("no data: give --train_data_dir, a folder of captioned images, or --dataset_name");
  }
  if (!c.image_column.empty() && c.image_column == c.caption_column) {
    refuse("--image_column and --caption_column are both ", quoted(c.image_column),
           ": give two different columns");
  }
  if (c.exact_epochs && c.bucketing) {
    refuse("--exact_epochs conflicts with --bucketing, whose batches come from one bucket each");
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
           " continues a run that --overwrite_output_dir discards: give one of them");
  }
  if (c.resume_from_checkpoint && c.resume_from_checkpoint->empty()) {
    refuse("--resume_from_checkpoint '': give the path of a checkpoint, or latest");
  }
}

void check_optimizer(const TrainConfig& c) {
  if (c.use_8bit_adam && c.optimizer != "adamw" && c.optimizer != "adamw8bit") {
    refuse("--use_8bit_adam conflicts with --optimizer ", c.optimizer,
           ": leave it out, or choose adamw8bit");
  }
  if (c.lr_scheduler == "polynomial" && c.learning_rate <= kPolynomialEnd) {
    refuse("--learning_rate ", c.learning_rate, ": must be greater than ", kPolynomialEnd,
           ", where --lr_scheduler polynomial ends");
  }
  for (const std::string& argument : c.optimizer_args) {
    if (!parse_optimizer_argument(argument)) {
      refuse("--optimizer_args ", quoted(argument), ": write NAME=NUMBER, such as d_coef=2");
    }
  }
}

void check_precision(const TrainConfig& c) {
  if (c.full_bf16 && c.mixed_precision == "fp16") {
    refuse("--mixed_precision fp16 conflicts with --full_bf16: use bf16");
  }
  if (c.zero_stage == 1 && c.optimizer == "prodigy") {
    refuse("--optimizer prodigy conflicts with --zero_stage 1, since it needs all gradients: ",
           "use another optimizer, or --zero_stage 0");
  }
}

void check_fused_backward(const TrainConfig& c) {
  if (!c.fused_backward) return;
  if (c.gradient_accumulation_steps > 1) {
    refuse("--gradient_accumulation_steps ", c.gradient_accumulation_steps,
           " conflicts with --fused_backward, which keeps no gradients: use 1");
  }
  if (c.mixed_precision == "fp16") {
    refuse("--mixed_precision fp16 conflicts with --fused_backward, which updates weights before ",
           "an overflow is known: use bf16");
  }
  if (c.optimizer == "prodigy") {
    refuse("--optimizer prodigy conflicts with --fused_backward, since it needs all gradients ",
           "before it updates a weight: use adamw, adamw8bit, adafactor or lion");
  }
}

void check_compat(const TrainConfig& c) {
  const std::string& mode = c.image_interpolation_mode;
  const bool is_set = mode != TrainConfig(TrainKind::kFull).image_interpolation_mode;
  if (c.compat == "pp" && is_set && mode != "bilinear") {
    refuse("--image_interpolation_mode ", mode,
           " conflicts with --compat pp, which resizes bilinearly: leave it out");
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
  if (c.hub_token) {  // never show its value
    refuse("--hub_token is refused, since other users can see command lines: set HF_TOKEN in the ",
           "environment");
  }
  if (c.push_to_hub || c.hub_model_id) {
    refuse("--", c.push_to_hub ? "push_to_hub" : "hub_model_id",
           " is refused, since sdxl does not upload: after the run use hf upload ",
           c.hub_model_id ? escaped(*c.hub_model_id) : "USER/NAME", " ", escaped(c.output_dir));
  }
  if (c.report_to == "comet_ml") {
    refuse("--report_to comet_ml is not supported: use tensorboard, wandb, all or none");
  }
}

// Inference

void check_lora(const InferConfig& c) {
  if (!c.lora_scale.empty() && c.lora_scale.size() != c.lora.size()) {
    refuse("--lora is given ", c.lora.size(), " times and --lora_scale ", c.lora_scale.size(),
           " times: give one scale per LoRA, or none");
  }
}

void check_single_output(const InferConfig& c) {
  if (!c.checkpoints.empty() || c.prompt_file) {
    refuse("--output ", quoted(*c.output), " is for one image, but ",
           !c.checkpoints.empty() ? "--checkpoints" : "--prompt_file",
           " may generate several: give --output_dir");
  }
  if (const int64_t images = static_cast<int64_t>(c.prompt.size()) * c.num_images_per_prompt;
      images > 1) {
    refuse("--output ", quoted(*c.output), " is for one image, but ", images,
           " are requested: give --output_dir");
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
    refuse("no output: give --output FILE.png, or --output_dir DIR");
  }
  if (c.output_dir && c.output_dir->empty()) refuse("--output_dir '': give a directory");
  if (c.output) check_single_output(c);
}

}  // namespace

void validate_train_config(const TrainConfig& config) {
  require_model(config.pretrained_model_name_or_path);
  check_services(config);
  check_data(config);
  check_output(config);
  check_optimizer(config);
  check_precision(config);
  check_fused_backward(config);
  check_compat(config);
  check_timestep_bias(config);
}

void validate_cache_fill(const CacheConfig& config) {
  require_model(config.pretrained_model_name_or_path);
  check_data(config);
  if (!config.cache_latents) refuse("--no_cache_latents leaves nothing to fill: leave it out");
  if (!config.seed && !(config.center_crop && !config.max_train_samples)) {
    refuse(
        "--seed is missing: random crops and --max_train_samples depend on it; give the seed of ",
        "the runs to come, or --center_crop");
  }
}

void validate_infer_config(const InferConfig& config) {
  require_model(config.pretrained_model_name_or_path);
  if (config.prompt.empty() && !config.prompt_file) {
    refuse("no prompt: give --prompt, as often as you like, or --prompt_file");
  }
  if (!config.timesteps.empty() && !config.sigmas.empty()) {
    refuse("--timesteps and --sigmas set the same schedule: give one of them");
  }
  check_lora(config);
  check_output(config);
}

void validate_convert_config(const ConvertConfig& config) {
  if (config.input.empty()) refuse("--input is missing: give the model or LoRA to convert");
  if (config.output.empty()) refuse("--output is missing: give the path of the result");
}

void validate_tokenize_config(const TokenizeConfig& config) {
  require_model(config.pretrained_model_name_or_path);
}

}  // namespace sdxl
