// The option table of infer.
#include "config/infer_config.h"

namespace sdxl {
namespace {

void append_model(OptionTable& table, InferConfig& c) {
  table.group("Model");
  table.add("pretrained_model_name_or_path", &c.pretrained_model_name_or_path,
            "the model: a directory of diffusers' layout or a Hub repository (required)",
            {.value_name = "MODEL"});
  table.add("pretrained_vae_model_name_or_path", &c.pretrained_vae_model_name_or_path,
            "a VAE of its own instead of the model's", {.value_name = "MODEL"});
  table.add("unet", &c.unet, "a UNet of its own, such as output_dir/unet of train-full",
            {.value_name = "DIR"});
  table.add("checkpoints", &c.checkpoints,
            "draw with every checkpoint-N in this directory (repeatable)", {.value_name = "DIR"});
  table.add("include_base", &c.include_base,
            "with --checkpoints, draw with the model as it is too");
  table.add(
      "use_ema", &c.use_ema,
      "with --checkpoints, take the averaged weights: unet_ema/ or those of the LoRA; the final "
      "weights of a run with --use_ema are averaged without it too");
  table.add("lora", &c.lora, "a LoRA file or directory (repeatable)", {.value_name = "PATH"});
  table.add("lora_scale", &c.lora_scale,
            "strength of each --lora in turn (repeatable); 1 without it");
  table.add("lora_allow_unmatched", &c.lora_allow_unmatched,
            "go on when a LoRA has keys that fit nothing");
}

void append_prompts(OptionTable& table, InferConfig& c) {
  table.group("Prompts");
  table.add("prompt", &c.prompt, "what to draw (repeatable)");
  table.add("prompt_file", &c.prompt_file,
            "a prompt a line, or JSON lines with options of each picture", {.value_name = "FILE"});
  table.add("prompt_2", &c.prompt_2, "the second text encoder's prompt; by default the same");
  table.add("negative_prompt", &c.negative_prompt, "what not to draw");
  table.add("negative_prompt_2", &c.negative_prompt_2,
            "the second text encoder's; by default the same");
  table.add("clip_skip", &c.clip_skip, "layers that are left out at the end of the text encoders",
            {.at_least = 0});
}

void append_pictures(OptionTable& table, InferConfig& c) {
  table.group("Pictures");
  table.add("height", &c.height, "pixels; by default what the UNet was made for",
            {.at_least = 8, .at_most = 16384, .multiple_of = 8});
  table.add("width", &c.width, "pixels; by default what the UNet was made for",
            {.at_least = 8, .at_most = 16384, .multiple_of = 8});
  table.add("original_size", &c.original_size,
            "the size that the picture is said to have had; by default its own", {.at_least = 1});
  table.add("crops_coords_top_left", &c.crops_coords_top_left, "where it is said to be cropped",
            {.at_least = 0, .value_name = "T,L"});
  table.add("target_size", &c.target_size, "the size that it is said to have; by default its own",
            {.at_least = 1});
  table.add("num_images_per_prompt", &c.num_images_per_prompt, "pictures of each prompt",
            {.at_least = 1});
  table.add("batch_size", &c.batch_size, "pictures that are drawn at a time", {.at_least = 1});
  table.group("Sampling");
  table.add("scheduler", &c.scheduler,
            "the sampler, such as euler or dpmpp_2m_karras; by default the model's",
            {.value_name = "NAME"});
  table.add("num_inference_steps", &c.num_inference_steps, "denoising steps", {.at_least = 1});
  table.add("timesteps", &c.timesteps,
            "the timesteps themselves, with commas; --num_inference_steps then counts for nothing",
            {.at_least = 0, .at_most = 999, .value_name = "N,N,..."});
  table.add("sigmas", &c.sigmas, "the noise levels themselves, with commas; the same holds",
            {.at_least = 0, .value_name = "X,X,..."});
  table.add("rescale_betas_zero_snr", &c.rescale_betas_zero_snr,
            "schedule with no signal left at its end");
  table.add("guidance_scale", &c.guidance_scale,
            "strength of the prompt; 1 and less draw without guidance", {.at_least = 0});
  table.add("guidance_rescale", &c.guidance_rescale,
            "how much of the guided noise is rescaled to the prompt's",
            {.at_least = 0, .at_most = 1});
}

void append_output(OptionTable& table, InferConfig& c) {
  table.group("Output");
  table.add("output", &c.output, "the file of one picture", {.value_name = "FILE"});
  table.add("output_dir", &c.output_dir, "a directory for any number: DIR/{index:05d}_{seed}.png",
            {.value_name = "DIR"});
  table.add("overwrite", &c.overwrite, "replace files that exist");
  table.add("output_type", &c.output_type, "pictures, or latents as safetensors",
            {.choices = {"png", "latent"}});
  table.add("json", &c.json, "print the final table as JSON lines");
  table.group("Memory");
  table.add("vae_tiling", &c.vae_tiling, "decode large pictures in tiles");
  table.add("vae_slicing", &c.vae_slicing, "decode the pictures of a batch one by one");
  table.add("enable_xformers_memory_efficient_attention",
            &c.enable_xformers_memory_efficient_attention,
            "accepted: memory-efficient attention is on by itself");
}

}  // namespace

std::vector<Option> infer_options(InferConfig& config) {
  OptionTable table;
  append_model(table, config);
  append_prompts(table, config);
  append_pictures(table, config);
  append_output(table, config);
  append_common_options(table, config);
  return table.take();
}

}  // namespace sdxl
