#include "pipelines/stable_diffusion_xl.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {
namespace {

/// As in diffusers, an empty text for the second encoder means that of the first.
const std::string& second_text(const std::optional<std::string>& given, const std::string& first) {
  return given && !given->empty() ? *given : first;
}

/// A request while it is denoised.
struct Drawing {
  const DrawRequest* request;
  std::unique_ptr<Scheduler> scheduler;
  at::Generator generator;
  at::Tensor latents;  // [count, C, h, w]
};

/// Consecutive pictures that go through the UNet together. With guidance the prompt has twice as
/// many rows, the negative ones first.
struct Chunk {
  int64_t begin, end;  // of all pictures
  UNetPrompt prompt;
};

/// The UNet's predictions for all pictures, [total, C, h, w]. Without guidance only the first is
/// set.
struct Prediction {
  at::Tensor conditional, unconditional;
};

Drawing start(const DrawRequest& request, const SchedulerPlan& plan, int64_t channels,
              const DenoiseOptions& options) {
  Drawing drawing{&request, plan(), at::make_generator<at::CPUGeneratorImpl>(request.seed), {}};
  const std::vector<int64_t> shape = {request.count, channels,
                                      request.height / options.latent_scale,
                                      request.width / options.latent_scale};
  at::Tensor noise = at::randn(shape, drawing.generator, at::TensorOptions(options.dtype));
  drawing.latents = (noise * drawing.scheduler->init_noise_sigma()).to(options.device);
  return drawing;
}

Chunk make_chunk(const std::vector<const DrawRequest*>& pictures, int64_t begin, int64_t end,
                 bool guided, const DenoiseOptions& options) {
  std::vector<at::Tensor> embeds, pooled, ids;
  auto add = [&](PromptEmbeds PromptConditioning::*part) {
    for (int64_t i = begin; i < end; ++i) {
      const PromptEmbeds& from = pictures[i]->conditioning.*part;
      embeds.push_back(from.prompt_embeds);
      pooled.push_back(from.pooled_prompt_embeds);
      at::Tensor row = at::empty({1, 6}, at::kFloat);
      std::memcpy(row.data_ptr<float>(), pictures[i]->time_ids.data(), 6 * sizeof(float));
      ids.push_back(row);
    }
  };
  if (guided) add(&PromptConditioning::negative);
  add(&PromptConditioning::positive);
  UNetPrompt prompt;
  prompt.embeds = {at::cat(embeds).to(options.device, options.dtype),
                   at::cat(pooled).to(options.device, options.dtype)};
  prompt.time_ids = at::cat(ids).to(options.device);
  return {begin, end, std::move(prompt)};
}

/// Calls the UNet.
using Model =
    std::function<at::Tensor(const at::Tensor&, const at::Tensor& timestep, UNetPrompt& prompt)>;

Prediction predict(const Model& model, const at::Tensor& input, const at::Tensor& timestep,
                   std::vector<Chunk>& chunks, bool guided) {
  std::vector<at::Tensor> conditional, unconditional;
  for (Chunk& chunk : chunks) {
    at::Tensor sample = input.slice(0, chunk.begin, chunk.end);  // [B, C, h, w]
    if (guided) sample = at::cat({sample, sample});              // [2B, C, h, w]
    at::Tensor output = model(sample, timestep, chunk.prompt);
    if (guided) {
      std::vector<at::Tensor> halves = output.chunk(2);
      unconditional.push_back(halves[0]);
      conditional.push_back(halves[1]);
    } else {
      conditional.push_back(output);
    }
  }
  return {at::cat(conditional), guided ? at::cat(unconditional) : at::Tensor()};
}

/// Classifier-free guidance u + g * (c - u), rescaled as in Lin et al. 2023, section 3.4.
at::Tensor guide(const at::Tensor& unconditional, const at::Tensor& conditional, double scale,
                 double rescale) {
  at::Tensor guided = unconditional + scale * (conditional - unconditional);
  if (rescale <= 0.0) return guided;
  const std::vector<int64_t> dims = {1, 2, 3};
  at::Tensor ratio = conditional.std(dims, /*unbiased=*/true, /*keepdim=*/true) /
                     guided.std(dims, /*unbiased=*/true, /*keepdim=*/true);
  return rescale * (guided * ratio) + (1.0 - rescale) * guided;
}

/// Applies guidance and the scheduler's step to each request, with its own state and generator.
void step_schedulers(std::vector<Drawing>& drawings, const Prediction& prediction, int64_t step) {
  int64_t begin = 0;
  for (Drawing& drawing : drawings) {
    const DrawRequest& request = *drawing.request;
    const int64_t end = begin + request.count;
    at::Tensor noise = prediction.conditional.slice(0, begin, end);
    if (prediction.unconditional.defined()) {
      noise = guide(prediction.unconditional.slice(0, begin, end), noise, request.guidance_scale,
                    request.guidance_rescale);
    }
    drawing.latents = drawing.scheduler->step(noise, step, drawing.latents, drawing.generator);
    begin = end;
  }
}

at::Tensor per_channel(const std::vector<double>& values, const at::Tensor& like) {
  return at::tensor(values, at::kFloat).view({1, -1, 1, 1}).to(like.device(), like.scalar_type());
}

/// [3, H, W] in [-1, 1] to 8 bits, rounding half to even as numpy does.
Image to_image(const at::Tensor& pixels) {
  at::Tensor unit = (pixels / 2 + 0.5).clamp(0, 1).permute({1, 2, 0});  // [H, W, 3]
  at::Tensor bytes = unit.to(at::kCPU, at::kFloat).mul(255).round().to(at::kByte).contiguous();
  Image image{bytes.size(0), bytes.size(1), {}};
  image.rgb.assign(bytes.data_ptr<uint8_t>(), bytes.data_ptr<uint8_t>() + bytes.numel());
  return image;
}

}  // namespace

PromptConditioning encode_prompt(const PromptEncoder& encoder, const PromptTexts& texts,
                                 bool force_zeros_for_empty_prompt,
                                 const PromptEmbeds* shared_negative) {
  const PromptEmbeds positive =
      encoder.encode({texts.prompt}, {second_text(texts.prompt_2, texts.prompt)}, texts.clip_skip);
  if (shared_negative != nullptr) return {positive, *shared_negative};
  if (!texts.negative_prompt && force_zeros_for_empty_prompt) {
    return {
        positive,
        {at::zeros_like(positive.prompt_embeds), at::zeros_like(positive.pooled_prompt_embeds)}};
  }
  const std::string negative = texts.negative_prompt.value_or("");
  return {positive, encoder.encode({negative}, {second_text(texts.negative_prompt_2, negative)})};
}

std::vector<at::Tensor> denoise(const UNet2DConditionModel& unet, const SchedulerPlan& plan,
                                const std::vector<DrawRequest>& requests,
                                const DenoiseOptions& options) {
  // 1. Make the initial latents of each request and the prompts of each call of the UNet.
  const bool guided = requests.front().guidance_scale > 1.0;
  std::vector<Drawing> drawings;
  std::vector<const DrawRequest*> pictures;
  for (const DrawRequest& request : requests) {
    drawings.push_back(start(request, plan, unet.config().in_channels, options));
    pictures.insert(pictures.end(), request.count, &request);
  }
  const int64_t total = static_cast<int64_t>(pictures.size());
  std::vector<Chunk> chunks;
  for (int64_t begin = 0; begin < total; begin += options.batch_size) {
    const int64_t end = std::min(total, begin + options.batch_size);
    chunks.push_back(make_chunk(pictures, begin, end, guided, options));
  }

  // Copied once, so that the loop never waits for the device.
  const at::Tensor timesteps = drawings.front().scheduler->timesteps().to(options.device);
  const int64_t steps = timesteps.size(0);
  if (options.replay != nullptr) options.replay->begin(unet);
  for (int64_t step = 0; step < steps; ++step) {
    // 2. Predict the noise of all pictures.
    std::vector<at::Tensor> inputs;
    for (const Drawing& drawing : drawings) {
      inputs.push_back(drawing.scheduler->scale_model_input(drawing.latents, step));
    }
    at::Tensor input = at::cat(inputs).to(options.dtype);  // [total, C, h, w]
    const auto model = [&](const at::Tensor& sample, const at::Tensor& timestep,
                           UNetPrompt& prompt) {
      if (options.replay == nullptr) return call_unet(unet, sample, timestep, prompt);
      return options.replay->forward(sample, timestep, prompt, steps - step);
    };
    const at::Tensor timestep = timesteps.slice(0, step, step + 1);
    Prediction prediction = predict(model, input, timestep, chunks, guided);

    // 3. Remove it from the latents.
    step_schedulers(drawings, prediction, step);
    if (options.on_step) options.on_step(step, steps);
  }

  std::vector<at::Tensor> latents;
  for (Drawing& drawing : drawings) latents.push_back(drawing.latents);
  return latents;
}

std::vector<Image> decode_latents(const AutoencoderKL& vae, const at::Tensor& latents,
                                  const DecodeOptions& options) {
  const AutoencoderKLConfig& config = vae.config();
  const at::Tensor weight = *vae.parameters().back().tensor;
  at::Tensor scaled = latents.to(weight.device(), weight.scalar_type());
  if (!config.latents_mean.empty() && !config.latents_std.empty()) {
    scaled = scaled * per_channel(config.latents_std, scaled) / config.scaling_factor +
             per_channel(config.latents_mean, scaled);
  } else {
    scaled = scaled / config.scaling_factor;
  }
  const int64_t tile = config.sample_size / config.scale_factor();
  std::vector<Image> images;
  for (const at::Tensor& part : scaled.split(options.slicing ? 1 : scaled.size(0))) {
    at::Tensor pixels = options.tiling ? vae.decode_tiled(part, tile) : vae.decode(part);
    if (!at::isfinite(pixels).all().item<bool>()) {
      throw Error(ExitStatus::kBadNumbers,
                  str("the VAE's output in ", at::toString(part.scalar_type()),
                      " holds NaN or infinity: use --mixed_precision bf16 or no, or "
                      "--pretrained_vae_model_name_or_path madebyollin/sdxl-vae-fp16-fix"));
    }
    for (int64_t i = 0; i < pixels.size(0); ++i) images.push_back(to_image(pixels[i]));
  }
  return images;
}

}  // namespace sdxl
