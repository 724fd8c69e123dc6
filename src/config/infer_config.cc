#include "config/infer_config.h"

#include "config/choices.h"

namespace sdxl {
namespace {

void add_model(OptionTable& table, InferConfig& c) {
  table.group("Model");
  table.add("pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
            "model: a directory in diffusers layout, a .safetensors file or a Hub repository "
            "(required)",
            {.value_name = "MODEL"});
  add_vae(table, c.pretrained_vae_model_name_or_path);
  table.add("unet", &c.unet, "UNet to use instead of the model's, such as output_dir/unet",
            {.value_name = "DIR"});
  table.add("checkpoints", &c.checkpoints, "use every checkpoint-N in this directory",
            {.value_name = "DIR"});
  table.add("include_base", &c.include_base, "also use the model without a checkpoint",
            {.needs = {"checkpoints"}});
  table.add("use_ema", &c.use_ema,
            "use the averaged weights of checkpoints; the final weights of such a run always are",
            {.needs = {"checkpoints"}});
  table.add("lora", &c.lora, "LoRA file, directory or Hub repository", {.value_name = "PATH"});
  table.add("lora_scale", &c.lora_scale, "strength of each LoRA in order", {.unset_means = "1"});
  table.add("lora_allow_unmatched", &c.lora_allow_unmatched,
            "ignore keys of a LoRA that match no layer", {.needs = {"lora", "checkpoints"}});
}

void add_prompts(OptionTable& table, InferConfig& c) {
  table.group("Prompts");
  table.add("prompt", &c.prompt, "what to generate");
  table.add("prompt_file", &c.prompt_file,
            "one prompt per line, or JSON lines with options for each image",
            {.value_name = "FILE"});
  table.add("prompt_2", &c.prompt_2, "prompt of the second text encoder",
            {.per_picture = true, .unset_means = "the same"});
  table.add("negative_prompt", &c.negative_prompt, "what to avoid", {.per_picture = true});
  table.add("negative_prompt_2", &c.negative_prompt_2, "negative prompt of the second text encoder",
            {.per_picture = true, .unset_means = "the same"});
  table.add("clip_skip", &c.clip_skip, "final layers of the text encoders to skip",
            {.at_least = 0, .per_picture = true});
}

void add_images(OptionTable& table, InferConfig& c) {
  const OptionRule side = {.at_least = 8,
                           .at_most = 16384,
                           .multiple_of = 8,
                           .per_picture = true,
                           .unset_means = "the UNet's training size"};
  table.group("Images");
  table.add("height", &c.height, "height in pixels", side);
  table.add("width", &c.width, "width in pixels", side);
  table.add("original_size", &c.original_size, "original size to condition on",
            {.at_least = 1, .per_picture = true, .unset_means = "the image's"});
  table.add("crops_coords_top_left", &c.crops_coords_top_left, "crop position to condition on",
            {.at_least = 0, .per_picture = true, .value_name = "T,L"});
  table.add("target_size", &c.target_size, "target size to condition on",
            {.at_least = 1, .per_picture = true, .unset_means = "the image's"});
  table.add("num_images_per_prompt", &c.num_images_per_prompt, "images per prompt",
            {.at_least = 1, .per_picture = true});
  table.add("batch_size", &c.batch_size, "images to generate at once", {.at_least = 1});
}

void add_sampling(OptionTable& table, InferConfig& c) {
  table.group("Sampling");
  table.add("scheduler", &c.scheduler, "sampler, such as euler or dpmpp_2m_karras",
            {.choices = scheduler_choices(), .value_name = "NAME", .unset_means = "the model's"});
  table.add("num_inference_steps", &c.num_inference_steps, "denoising steps",
            {.at_least = 1, .per_picture = true});
  table.add("timesteps", &c.timesteps, "explicit timesteps; replace num_inference_steps",
            {.at_least = 0, .at_most = 999, .value_name = "N,N,..."});
  table.add("sigmas", &c.sigmas, "explicit noise levels; replace num_inference_steps",
            {.at_least = 0, .value_name = "X,X,..."});
  table.add("rescale_betas_zero_snr", &c.rescale_betas_zero_snr,
            "rescale the noise schedule to end at zero SNR");
  table.add("guidance_scale", &c.guidance_scale,
            "strength of the prompt; values up to 1 disable guidance",
            {.at_least = 0, .per_picture = true});
  table.add("guidance_rescale", &c.guidance_rescale,
            "how far to rescale guided noise to the prompt's",
            {.at_least = 0, .at_most = 1, .per_picture = true});
}

void add_output(OptionTable& table, InferConfig& c) {
  table.group("Output");
  table.add("output", &c.output, "file for a single image", {.value_name = "FILE"});
  table.add("output_dir", &c.output_dir, "directory for {index:05d}_{seed}.png files",
            {.value_name = "DIR"});
  table.add("overwrite", &c.overwrite, "replace existing files");
  table.add("output_type", &c.output_type, "save images, or latents as safetensors",
            {.choices = {"png", "latent"}});
  table.add("json", &c.json, "print the final table as JSON lines");
  table.group("Memory");
  table.add("vae_tiling", &c.vae_tiling, "decode large images in tiles");
  table.add("vae_slicing", &c.vae_slicing, "decode the images of a batch one by one");
  add_xformers(table, c.enable_xformers_memory_efficient_attention);
}

}  // namespace

std::vector<Option> infer_table(InferConfig& config) {
  OptionTable table;
  add_model(table, config);
  add_prompts(table, config);
  add_images(table, config);
  add_sampling(table, config);
  add_output(table, config);
  add_common(table, config);
  return table.take();
}

}  // namespace sdxl
