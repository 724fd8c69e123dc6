#include "config/train_config.h"

#include <charconv>
#include <cmath>

#include "config/choices.h"

namespace sdxl {
namespace {

using enum Shapes;

constexpr const char* kFull = "train-full";
constexpr const char* kLora = "train-lora";

void add_model(OptionTable& table, TrainConfig& c) {
  table.group("Model");
  table.add("pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
            "base model: a directory in diffusers layout, a .safetensors file or a Hub repository "
            "(required)",
            {.shapes = kWeights, .value_name = "MODEL"});
  add_vae(table, c.pretrained_vae_model_name_or_path);
  table.add("unet_config", &c.unet_config, "train a new UNet with this config.json",
            {.shapes = kWeights, .only_for = kFull, .value_name = "FILE"});
  table.add("prediction_type", &c.prediction_type, "what the UNet predicts",
            {.shapes = kResult,
             .choices = {"epsilon", "v_prediction", "sample"},
             .unset_means = "as the model's scheduler says"});
}

void add_data(OptionTable& table, TrainConfig& c) {
  table.group("Data");
  table.add("dataset_name", &c.dataset_name, "dataset of the Hub, or a local folder in its layout",
            {.shapes = kData, .value_name = "NAME"});
  table.add("dataset_config_name", &c.dataset_config_name, "configuration of the dataset",
            {.shapes = kData, .needs = {"dataset_name"}, .value_name = "NAME"});
  table.add("train_data_dir", &c.train_data_dir,
            "folder of images with captions in metadata.jsonl, metadata.csv or .txt files",
            {.shapes = kData, .value_name = "DIR"});
  table.add("image_column", &c.image_column, "column of the images",
            {.shapes = kData, .value_name = "NAME"});
  table.add("caption_column", &c.caption_column,
            "column of the captions, each a text or a list of texts",
            {.shapes = kData, .value_name = "NAME"});
  table.add("max_train_samples", &c.max_train_samples,
            "train on this many samples, chosen by the seed", {.shapes = kResult, .at_least = 1});
  table.add("proportion_empty_prompts", &c.proportion_empty_prompts,
            "probability of dropping a caption", {.shapes = kResult, .at_least = 0, .at_most = 1});
  table.add("on_bad_image", &c.on_bad_image, "what to do with an unreadable image",
            {.shapes = kResult, .choices = {"fail", "skip"}});
  table.add("dataloader_num_workers", &c.dataloader_num_workers, "threads that load images ahead",
            {.shapes = kNothing, .at_least = 0, .at_most = 1024, .per_process = true});
}

void add_images(OptionTable& table, TrainConfig& c) {
  table.group("Images");
  table.add("resolution", &c.resolution, "side of the square training images, in pixels",
            {.shapes = kResult, .at_least = 8, .at_most = 16384, .multiple_of = 8});
  table.add("center_crop", &c.center_crop, "crop the middle instead of a random place",
            {.shapes = kResult});
  table.add("random_flip", &c.random_flip, "mirror half of the images", {.shapes = kResult});
  table.add("image_interpolation_mode", &c.image_interpolation_mode, "resize filter, as in Pillow",
            {.shapes = kResult, .choices = kResizeFilters});
  table.add("bucketing", &c.bucketing, "keep aspect ratios, with similar ones in a batch",
            {.shapes = kResult});
  table.group("Cache");
  table.add("cache_latents", &c.cache_latents, "encode images once and keep the latents on disk",
            {.shapes = kResult});
  table.add("cache_crops", &c.cache_crops, "random crops to cache per image",
            {.shapes = kResult, .at_least = 1});
  table.add(
      "cache_dtype", &c.cache_dtype, "dtype of cached values",
      {.shapes = kResult, .choices = {"float32", "bf16", "fp16"}, .unset_means = "the encoder's"});
  table.add(
      "embedding_cache_dir", &c.embedding_cache_dir, "directory of the cache",
      {.shapes = kNothing, .value_name = "DIR", .unset_means = "in the user's cache directory"});
}

void add_output(OptionTable& table, TrainConfig& c) {
  table.group("Output");
  table.add("output_dir", &c.output_dir, "directory for everything that the run writes",
            {.shapes = kNothing, .value_name = "DIR"});
  table.add("rescue_dir", &c.rescue_dir,
            "directory for checkpoints that output_dir has no room for",
            {.shapes = kNothing, .value_name = "DIR"});
  table.add("overwrite_output_dir", &c.overwrite_output_dir,
            "discard an earlier run in the directory", {.shapes = kNothing, .start_only = true});
  table.add("checkpointing_steps", &c.checkpointing_steps, "save a checkpoint every N steps",
            {.shapes = kNothing, .at_least = 1});
  table.add("checkpoints_total_limit", &c.checkpoints_total_limit,
            "keep only the latest N checkpoints", {.shapes = kNothing, .at_least = 1});
  table.add("resume_from_checkpoint", &c.resume_from_checkpoint,
            "resume from a checkpoint: its path, or latest",
            {.shapes = kNothing, .start_only = true, .value_name = "PATH"});
  table.add("allow_other_data", &c.allow_other_data,
            "resume although the data is not that of the checkpoint",
            {.shapes = kNothing, .needs = {"resume_from_checkpoint"}, .start_only = true});
  table.add("keep_best_checkpoint", &c.keep_best_checkpoint,
            "also keep the checkpoint with the lowest validation loss",
            {.shapes = kNothing, .needs = {"validation_loss_steps"}});
}

void add_length(OptionTable& table, TrainConfig& c) {
  table.group("Length");
  table.add("train_batch_size", &c.train_batch_size, "batch size per device",
            {.shapes = kSampleCount, .at_least = 1});
  table.add("gradient_accumulation_steps", &c.gradient_accumulation_steps,
            "batches per optimizer step", {.shapes = kSampleCount, .at_least = 1});
  table.add("num_train_epochs", &c.num_train_epochs,
            "passes over the data, unless max_train_steps is given",
            {.shapes = kLength, .at_least = 1});
  table.add("exact_epochs", &c.exact_epochs,
            "draw each sample once per epoch; the last step of an epoch may be smaller",
            {.shapes = kResult});
  table.add("max_train_steps", &c.max_train_steps, "optimizer steps",
            {.shapes = kLength, .at_least = 1});
}

void add_optimizer(OptionTable& table, TrainConfig& c) {
  const OptionCondition has_beta1 = {"optimizer", {"adamw", "adamw8bit", "lion", "prodigy"}};
  const OptionCondition has_beta2 = {"optimizer", {"adamw", "adamw8bit", "prodigy"}};
  table.group("Optimizer");
  table.add("optimizer", &c.optimizer, "optimizer to use",
            {.shapes = kResult, .choices = kOptimizers});
  table.add("optimizer_args", &c.optimizer_args, "setting of this optimizer, such as d_coef=2",
            {.shapes = kResult, .value_name = "NAME=NUMBER"});
  table.add("use_8bit_adam", &c.use_8bit_adam, "same as --optimizer adamw8bit",
            {.shapes = kResult});
  table.add("learning_rate", &c.learning_rate, "peak learning rate",
            {.shapes = kResult, .at_least = 0});
  table.add("scale_lr", &c.scale_lr,
            "multiply the learning rate by batch size, accumulation steps and devices",
            {.shapes = kResult});
  table.add("lr_scheduler", &c.lr_scheduler, "learning rate schedule, counted in optimizer steps",
            {.shapes = kResult, .choices = kLrSchedules});
  table.add("lr_warmup_steps", &c.lr_warmup_steps, "warm-up steps; constant has none",
            {.shapes = kResult, .at_least = 0});
  table.add("lr_num_cycles", &c.lr_num_cycles, "number of cycles",
            {.shapes = kResult,
             .at_least = 1,
             .only_with = OptionCondition{"lr_scheduler", {"cosine_with_restarts"}}});
  table.add("lr_power", &c.lr_power, "exponent of the decay",
            {.shapes = kResult,
             .above = 0,
             .only_with = OptionCondition{"lr_scheduler", {"polynomial"}}});
  table.add("adam_beta1", &c.adam_beta1, "decay of the first moment",
            {.shapes = kResult, .at_least = 0, .below = 1, .only_with = has_beta1});
  table.add("adam_beta2", &c.adam_beta2, "decay of the second moment",
            {.shapes = kResult, .at_least = 0, .below = 1, .only_with = has_beta2});
  table.add("adam_weight_decay", &c.adam_weight_decay, "decoupled weight decay",
            {.shapes = kResult, .at_least = 0});
  table.add("adam_epsilon", &c.adam_epsilon, "added to the denominator",
            {.shapes = kResult, .at_least = 0, .only_with = has_beta2});
  table.add("max_grad_norm", &c.max_grad_norm, "clip gradients to this norm; 0 disables clipping",
            {.shapes = kResult, .at_least = 0});
}

void add_objective(OptionTable& table, TrainConfig& c) {
  const auto bias = [](std::vector<std::string> strategies) {
    return OptionCondition{"timestep_bias_strategy", std::move(strategies)};
  };
  table.group("Objective");
  table.add("loss_type", &c.loss_type, "loss function",
            {.shapes = kResult, .choices = {"l2", "huber"}});
  table.add("huber_c", &c.huber_c, "error at which the loss turns from quadratic to linear",
            {.shapes = kResult, .above = 0, .only_with = OptionCondition{"loss_type", {"huber"}}});
  table.add("snr_gamma", &c.snr_gamma, "weight timesteps by min(SNR, gamma); 5 is common",
            {.shapes = kResult, .above = 0});
  table.add("noise_offset", &c.noise_offset, "strength of noise that is constant over a channel",
            {.shapes = kResult});
  table.add("input_perturbation", &c.input_perturbation,
            "strength of extra noise on the UNet's input", {.shapes = kResult, .at_least = 0});
  table.add("timestep_bias_strategy", &c.timestep_bias_strategy, "timesteps to draw more often",
            {.shapes = kResult, .choices = {"earlier", "later", "range", "none"}});
  table.add("timestep_bias_multiplier", &c.timestep_bias_multiplier, "how much more often",
            {.shapes = kResult, .above = 0, .only_with = bias({"earlier", "later", "range"})});
  table.add("timestep_bias_begin", &c.timestep_bias_begin, "first of these timesteps",
            {.shapes = kResult, .at_least = 0, .only_with = bias({"range"})});
  table.add("timestep_bias_end", &c.timestep_bias_end, "end of these timesteps, exclusive",
            {.shapes = kResult, .at_most = 1000, .only_with = bias({"range"})});
  table.add(
      "timestep_bias_portion", &c.timestep_bias_portion, "fraction of these timesteps",
      {.shapes = kResult, .at_least = 0, .at_most = 1, .only_with = bias({"earlier", "later"})});
  table.add("use_ema", &c.use_ema, "save the moving average of the weights (EMA) as the result",
            {.shapes = kResult});
  table.add("compat", &c.compat,
            "imitate the scripts of diffusers (hf) or ppdiffusers (pp) where sdxl does better",
            {.shapes = kResult, .choices = {"none", "hf", "pp"}});
}

void add_lora(OptionTable& table, TrainConfig& c) {
  table.group("LoRA");
  table.add("rank", &c.rank, "rank of the adapters",
            {.shapes = kResult, .at_least = 1, .at_most = 4096, .only_for = kLora});
  table.add("lora_alpha", &c.lora_alpha, "LoRA alpha; updates are scaled by alpha / rank",
            {.shapes = kResult, .above = 0, .only_for = kLora, .unset_means = "rank"});
  table.add("lora_dropout", &c.lora_dropout, "dropout probability of an adapter's input",
            {.shapes = kResult, .at_least = 0, .below = 1, .only_for = kLora});
  table.add("lora_target_modules", &c.lora_target_modules,
            "modules to adapt: a name (to_q), a pattern with *, a regular expression as PEFT's, "
            "or all-linear",
            {.shapes = kResult,
             .only_for = kLora,
             .value_name = "NAME",
             .unset_means = "the attention's projections"});
  table.add("lora_weights", &c.lora_weights, "start from the adapters in this file",
            {.shapes = kWeights, .only_for = kLora, .value_name = "PATH"});
  table.add("use_dora", &c.use_dora, "also train magnitudes (DoRA)",
            {.shapes = kResult, .only_for = kLora});
  table.add("train_text_encoder", &c.train_text_encoder, "also adapt both text encoders",
            {.shapes = kResult, .only_for = kLora});
  table.add("text_encoder_lr", &c.text_encoder_lr, "learning rate of the text encoders",
            {.shapes = kResult,
             .at_least = 0,
             .only_for = kLora,
             .needs = {"train_text_encoder"},
             .unset_means = "the UNet's"});
  table.add("lora_plus_ratio", &c.lora_plus_ratio,
            "learning rate of B divided by that of A (LoRA+)",
            {.shapes = kResult, .above = 0, .only_for = kLora});
  table.add("save_kohya", &c.save_kohya, "also save the adapters with kohya's names",
            {.shapes = kNothing, .only_for = kLora});
}

void add_memory(OptionTable& table, TrainConfig& c) {
  table.group("Memory and speed");
  table.add("gradient_checkpointing", &c.gradient_checkpointing,
            "recompute activations in the backward pass instead of keeping them",
            {.shapes = kNothing});
  table.add("full_bf16", &c.full_bf16,
            "keep the weights in bf16 only and round their updates stochastically",
            {.shapes = kResult, .only_for = kFull});
  table.add("fused_backward", &c.fused_backward,
            "update each parameter as soon as its gradient is ready; clip each gradient by itself",
            {.shapes = kResult});
  table.add("base_dtype", &c.base_dtype, "quantise the frozen weights",
            {.shapes = kResult, .choices = {"fp8", "int8"}, .only_for = kLora});
  table.add("allow_tf32", &c.allow_tf32, "multiply matrices in TF32 on CUDA devices that can",
            {.shapes = kResult});
  add_xformers(table, c.enable_xformers_memory_efficient_attention);
  table.add("enable_npu_flash_attention", &c.enable_npu_flash_attention,
            "use npu_fusion_attention in fp16 and bf16 with --device npu", {.shapes = kResult});
}

void add_validation(OptionTable& table, TrainConfig& c) {
  table.group("Validation");
  table.add("validation_prompt", &c.validation_prompt,
            "generate images for this prompt during training", {.shapes = kNothing});
  table.add("num_validation_images", &c.num_validation_images, "images per prompt",
            {.shapes = kNothing, .at_least = 1});
  table.add("validation_epochs", &c.validation_epochs,
            "generate after the first epoch and every N epochs",
            {.shapes = kNothing, .at_least = 1});
  table.add("validation_steps", &c.validation_steps, "generate every N steps instead",
            {.shapes = kNothing, .at_least = 1});
  table.add("validation_resolution", &c.validation_resolution, "side of these images, in pixels",
            {.shapes = kNothing,
             .at_least = 8,
             .at_most = 16384,
             .multiple_of = 8,
             .unset_means = "resolution"});
  table.add("validation_loss_steps", &c.validation_loss_steps,
            "measure the validation loss every N steps", {.shapes = kNothing, .at_least = 1});
}

void add_services(OptionTable& table, TrainConfig& c) {
  Choices trackers = kTrackers;
  trackers.insert(trackers.end(), {"comet_ml", "all", "none"});
  table.group("Trackers and the Hub");
  table.add("report_to", &c.report_to, "trackers besides metrics.jsonl",
            {.shapes = kNothing, .choices = trackers});
  table.add("logging_dir", &c.logging_dir, "directory for the trackers, below output_dir",
            {.shapes = kNothing, .value_name = "DIR"});
  table.add("debug_loss", &c.debug_loss, "log the loss of each image by file name",
            {.shapes = kNothing});
  table.add("push_to_hub", &c.push_to_hub, "refused; use hf upload", {.shapes = kNothing});
  table.add("hub_token", &c.hub_token, "refused; set HF_TOKEN in the environment",
            {.flag_only = true});
  table.add("hub_model_id", &c.hub_model_id, "refused; use hf upload",
            {.shapes = kNothing, .value_name = "NAME"});
  table.group("Distributed training");
  table.add("local_rank", &c.local_rank, "local rank, if no launcher sets it",
            {.shapes = kNothing, .at_least = -1, .per_process = true});
  table.add("zero_stage", &c.zero_stage, "1 shards the optimizer states over the processes",
            {.shapes = kNothing, .at_least = 0, .at_most = 1});
  table.add("ddp_timeout", &c.ddp_timeout, "seconds to wait for a silent process",
            {.shapes = kNothing, .above = 0, .at_most = 1e9});
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

const char* command_name(TrainKind kind) { return kind == TrainKind::kFull ? kFull : kLora; }

std::vector<Option> train_table(TrainConfig& config) {
  OptionTable table;
  add_model(table, config);
  add_data(table, config);
  add_images(table, config);
  add_output(table, config);
  add_length(table, config);
  add_optimizer(table, config);
  add_objective(table, config);
  add_lora(table, config);
  add_memory(table, config);
  add_validation(table, config);
  add_services(table, config);
  add_common(table, config);
  return table.take();
}

}  // namespace sdxl
