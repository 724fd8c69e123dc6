// The option table of train-full and train-lora.
#include "config/train_config.h"

#include <charconv>
#include <cmath>

namespace sdxl {
namespace {

void append_model(OptionTable& table, TrainConfig& c) {
  table.group("Model");
  table.add(
      "pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
      "the model to start from: a directory of diffusers' layout or a Hub repository (required)",
      {.value_name = "MODEL"});
  table.add("pretrained_vae_model_name_or_path", &c.pretrained_vae_model_name_or_path,
            "a VAE of its own instead of the model's", {.value_name = "MODEL"});
  table.add("unet_config", &c.unet_config,
            "start from random weights of a UNet with this config.json", {.value_name = "FILE"});
  table.add("prediction_type", &c.prediction_type,
            "what the UNet predicts, instead of what the model's scheduler says",
            {.choices = {"epsilon", "v_prediction", "sample"}});
}

void append_data(OptionTable& table, TrainConfig& c) {
  table.group("Data");
  table.add("dataset_name", &c.dataset_name,
            "a data set of the Hub, or a local folder of that layout", {.value_name = "NAME"});
  table.add("dataset_config_name", &c.dataset_config_name, "which of its configurations",
            {.value_name = "NAME"});
  table.add("train_data_dir", &c.train_data_dir,
            "a folder of pictures with metadata.jsonl, metadata.csv or a .txt beside each",
            {.value_name = "DIR"});
  table.add("image_column", &c.image_column, "the column of the pictures", {.value_name = "NAME"});
  table.add("caption_column", &c.caption_column,
            "the column of the captions, a text or a list of texts", {.value_name = "NAME"});
  table.add("max_train_samples", &c.max_train_samples,
            "train on this many samples, drawn with the seed", {.at_least = 1});
  table.add("proportion_empty_prompts", &c.proportion_empty_prompts,
            "probability of dropping a caption", {.at_least = 0, .at_most = 1});
  table.add("on_bad_image", &c.on_bad_image, "what an unreadable picture does",
            {.choices = {"fail", "skip"}});
  table.add("dataloader_num_workers", &c.dataloader_num_workers, "threads that load pictures ahead",
            {.at_least = 0, .at_most = 1024});
  table.group("Pictures");
  table.add("resolution", &c.resolution, "side of the square that is trained on, in pixels",
            {.at_least = 8, .multiple_of = 8});
  table.add("center_crop", &c.center_crop, "crop the middle instead of a random place");
  table.add("random_flip", &c.random_flip, "mirror half of the pictures");
  table.add("image_interpolation_mode", &c.image_interpolation_mode,
            "filter that pictures are resized with, as Pillow does",
            {.choices = {"nearest", "nearest_exact", "bilinear", "bicubic", "box", "hamming",
                         "lanczos"}});
  table.add("bucketing", &c.bucketing, "keep the shape of pictures: batches of like aspect ratios");
  table.group("Cache");
  table.add("cache_latents", &c.cache_latents, "encode pictures once and keep the result on disk");
  table.add("cache_crops", &c.cache_crops, "random crops that are cached of each picture",
            {.at_least = 1});
  table.add("cache_dtype", &c.cache_dtype, "dtype of cached values; by default that of the encoder",
            {.choices = {"float32", "bf16", "fp16"}});
  table.add("embedding_cache_dir", &c.embedding_cache_dir,
            "where the cache lies, instead of the user's cache directory", {.value_name = "DIR"});
}

void append_output(OptionTable& table, TrainConfig& c) {
  table.group("Output");
  table.add("output_dir", &c.output_dir, "where everything is written", {.value_name = "DIR"});
  table.add("overwrite_output_dir", &c.overwrite_output_dir,
            "begin anew in a directory that holds checkpoints");
  table.add("checkpointing_steps", &c.checkpointing_steps, "a checkpoint after every so many steps",
            {.at_least = 1});
  table.add("checkpoints_total_limit", &c.checkpoints_total_limit,
            "keep only so many checkpoints, the latest", {.at_least = 1});
  table.add("resume_from_checkpoint", &c.resume_from_checkpoint,
            "go on from a checkpoint: its path, or latest", {.value_name = "PATH"});
  table.add("keep_best_checkpoint", &c.keep_best_checkpoint,
            "keep the checkpoint of the lowest validation loss as well");
}

void append_optimization(OptionTable& table, TrainConfig& c) {
  table.group("Length");
  table.add("train_batch_size", &c.train_batch_size, "pictures on each device at once",
            {.at_least = 1});
  table.add("gradient_accumulation_steps", &c.gradient_accumulation_steps,
            "batches whose gradients make one step", {.at_least = 1});
  table.add("num_train_epochs", &c.num_train_epochs,
            "times through the data, unless max_train_steps is given", {.at_least = 1});
  table.add("max_train_steps", &c.max_train_steps, "optimizer steps", {.at_least = 1});
  table.group("Optimizer");
  table.add("optimizer", &c.optimizer, "the optimizer",
            {.choices = {"adamw", "adamw8bit", "adafactor", "lion", "prodigy"}});
  table.add("optimizer_args", &c.optimizer_args,
            "a number that this optimizer alone knows (repeatable), such as d_coef=2",
            {.value_name = "NAME=NUMBER"});
  table.add("use_8bit_adam", &c.use_8bit_adam, "the same as --optimizer adamw8bit");
  table.add("learning_rate", &c.learning_rate, "the peak learning rate", {.at_least = 0});
  table.add("scale_lr", &c.scale_lr,
            "multiply it by batch size, accumulation and number of devices");
  table.add("lr_scheduler", &c.lr_scheduler, "course of the learning rate, counted in steps",
            {.choices = {"constant", "constant_with_warmup", "linear", "cosine",
                         "cosine_with_restarts", "polynomial"}});
  table.add("lr_warmup_steps", &c.lr_warmup_steps, "steps of warm-up; plain constant has none",
            {.at_least = 0});
  table.add("lr_num_cycles", &c.lr_num_cycles, "restarts of cosine_with_restarts", {.at_least = 1});
  table.add("lr_power", &c.lr_power, "exponent of polynomial", {.above = 0});
  table.add("adam_beta1", &c.adam_beta1, "decay of the first moment", {.at_least = 0, .below = 1});
  table.add("adam_beta2", &c.adam_beta2, "decay of the second moment", {.at_least = 0, .below = 1});
  table.add("adam_weight_decay", &c.adam_weight_decay, "decoupled weight decay", {.at_least = 0});
  table.add("adam_epsilon", &c.adam_epsilon, "added to the denominator", {.at_least = 0});
  table.add("max_grad_norm", &c.max_grad_norm,
            "gradients are clipped to this norm; 0 clips nothing", {.at_least = 0});
}

void append_objective(OptionTable& table, TrainConfig& c) {
  table.group("Objective");
  table.add("loss_type", &c.loss_type, "the loss", {.choices = {"l2", "huber"}});
  table.add("huber_c", &c.huber_c, "where the Huber loss turns from square to linear",
            {.above = 0});
  table.add("snr_gamma", &c.snr_gamma, "weigh timesteps by min(SNR, gamma); 5 is usual",
            {.above = 0});
  table.add("noise_offset", &c.noise_offset, "strength of noise that is constant over a channel");
  table.add("input_perturbation", &c.input_perturbation,
            "strength of extra noise on the input alone", {.at_least = 0});
  table.add("timestep_bias_strategy", &c.timestep_bias_strategy,
            "which timesteps are drawn more often",
            {.choices = {"earlier", "later", "range", "none"}});
  table.add("timestep_bias_multiplier", &c.timestep_bias_multiplier, "how much more often",
            {.above = 0});
  table.add("timestep_bias_begin", &c.timestep_bias_begin, "first timestep of range",
            {.at_least = 0});
  table.add("timestep_bias_end", &c.timestep_bias_end, "end of range, itself outside",
            {.at_most = 1000});
  table.add("timestep_bias_portion", &c.timestep_bias_portion,
            "share of the timesteps that earlier and later mean", {.at_least = 0, .at_most = 1});
  table.add("use_ema", &c.use_ema,
            "keep a moving average of the weights and save it as the result");
  table.add(
      "compat", &c.compat,
      "repeat what the scripts of diffusers (hf) or ppdiffusers (pp) do where sdxl does better",
      {.choices = {"none", "hf", "pp"}});
}

void append_lora(OptionTable& table, TrainConfig& c) {
  table.group("LoRA (train-lora)");
  table.add("rank", &c.rank, "rank of the adapters", {.at_least = 1, .at_most = 4096});
  table.add("lora_alpha", &c.lora_alpha, "scale times rank; by default the rank", {.above = 0});
  table.add("lora_dropout", &c.lora_dropout, "probability of dropping an adapter's input",
            {.at_least = 0, .below = 1});
  table.add("lora_target_modules", &c.lora_target_modules,
            "name or pattern of modules with an adapter; by default the attention",
            {.value_name = "NAME"});
  table.add("lora_weights", &c.lora_weights, "start from the adapters of this file",
            {.value_name = "PATH"});
  table.add("use_dora", &c.use_dora, "train magnitudes as well (DoRA)");
  table.add("train_text_encoder", &c.train_text_encoder, "adapters on both text encoders too");
  table.add("text_encoder_lr", &c.text_encoder_lr,
            "learning rate of the text encoders; by default the same", {.at_least = 0});
  table.add("lora_plus_ratio", &c.lora_plus_ratio, "learning rate of B over that of A (LoRA+)",
            {.above = 0});
  table.add("save_kohya", &c.save_kohya, "write a file in kohya's naming as well");
  table.add("debug_loss", &c.debug_loss, "record the loss of each picture by its file name");
}

void append_memory(OptionTable& table, TrainConfig& c) {
  table.group("Memory and speed");
  table.add("gradient_checkpointing", &c.gradient_checkpointing,
            "compute activations twice instead of keeping them");
  table.add("full_bf16", &c.full_bf16, "bf16 weights with stochastic rounding, no float32 copy");
  table.add("fused_backward", &c.fused_backward,
            "step each parameter as soon as its gradient is there and free it; gradients are "
            "clipped tensor by tensor");
  table.add("base_dtype", &c.base_dtype, "keep frozen weights quantised (train-lora)",
            {.choices = {"fp8", "int8"}});
  table.add("allow_tf32", &c.allow_tf32, "TF32 matrix products on CUDA devices that have them");
  table.add("enable_xformers_memory_efficient_attention",
            &c.enable_xformers_memory_efficient_attention,
            "accepted: memory-efficient attention is on by itself");
  table.add("enable_npu_flash_attention", &c.enable_npu_flash_attention,
            "attention by npu_fusion_attention in fp16 and bf16 (--device npu)");
}

void append_validation(OptionTable& table, TrainConfig& c) {
  table.group("Validation");
  table.add("validation_prompt", &c.validation_prompt,
            "draw this during training (repeatable); without it nothing is drawn");
  table.add("num_validation_images", &c.num_validation_images, "pictures of each prompt",
            {.at_least = 1});
  table.add("validation_epochs", &c.validation_epochs,
            "after every so many epochs, the first included", {.at_least = 1});
  table.add("validation_steps", &c.validation_steps, "after every so many steps instead",
            {.at_least = 1});
  table.add("validation_resolution", &c.validation_resolution,
            "side of these pictures; by default the training resolution",
            {.at_least = 8, .multiple_of = 8});
  table.add("validation_loss_steps", &c.validation_loss_steps,
            "a validation loss after every so many steps", {.at_least = 1});
}

void append_services(OptionTable& table, TrainConfig& c) {
  table.group("Trackers and the Hub");
  table.add("report_to", &c.report_to, "trackers besides metrics.jsonl",
            {.choices = {"tensorboard", "wandb", "comet_ml", "all", "none"}});
  table.add("logging_dir", &c.logging_dir, "folder of the trackers' files in output_dir",
            {.value_name = "DIR"});
  table.add("push_to_hub", &c.push_to_hub, "refused: upload with the Hub's own tool");
  table.add("hub_token", &c.hub_token, "refused: set HF_TOKEN in the environment",
            {.flag_only = true});
  table.add("hub_model_id", &c.hub_model_id, "refused, as push_to_hub", {.value_name = "NAME"});
  table.group("Many devices");
  table.add("local_rank", &c.local_rank,
            "number of this process on its machine, where no launcher says it", {.at_least = -1});
  table.add("zero_stage", &c.zero_stage, "1 shards the optimizer's states over the processes",
            {.at_least = 0, .at_most = 1});
  table.add("ddp_timeout", &c.ddp_timeout, "seconds after which a silent process ends the run",
            {.above = 0});
}

}  // namespace

std::optional<std::pair<std::string, double>> parse_optimizer_argument(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == 0 || equals == std::string::npos) return std::nullopt;
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data() + equals + 1, last, number);
  if (error != std::errc() || end != last || !std::isfinite(number)) return std::nullopt;
  return std::pair(text.substr(0, equals), number);
}

std::vector<Option> train_options(TrainConfig& config) {
  OptionTable table;
  append_model(table, config);
  append_data(table, config);
  append_output(table, config);
  append_optimization(table, config);
  append_objective(table, config);
  append_lora(table, config);
  append_memory(table, config);
  append_validation(table, config);
  append_services(table, config);
  append_common_options(table, config);
  return table.take();
}

}  // namespace sdxl
