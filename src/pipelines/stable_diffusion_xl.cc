// The stages of SDXL's pipeline: encode, denoise, decode.
#include "pipelines/stable_diffusion_xl.h"

#include <ATen/CPUGeneratorImpl.h>

#include <cstring>

#include "base/error.h"
#include "base/text.h"

namespace sdxl {

namespace {

/// As in diffusers, the empty text of a second encoder stands for that of the first.
const std::string& second_text(const std::optional<std::string>& own, const std::string& first) {
  return own && !own->empty() ? *own : first;
}

}  // namespace

PromptConditioning encode_prompt(const PromptEncoder& encoder, const PromptTexts& texts,
                                 bool force_zeros_for_empty_prompt,
                                 const PromptConditioning* same_negative) {
  PromptEmbedding positive =
      encoder.encode({texts.prompt}, {second_text(texts.prompt_2, texts.prompt)}, texts.clip_skip);
  PromptConditioning result{positive.hidden_states, positive.pooled, {}, {}};
  if (same_negative != nullptr) {
    result.negative_hidden_states = same_negative->negative_hidden_states;
    result.negative_pooled = same_negative->negative_pooled;
    return result;
  }
  if (!texts.negative_prompt && force_zeros_for_empty_prompt) {
    result.negative_hidden_states = at::zeros_like(positive.hidden_states);
    result.negative_pooled = at::zeros_like(positive.pooled);
    return result;
  }
  const std::string negative = texts.negative_prompt.value_or("");
  PromptEmbedding embedding =
      encoder.encode({negative}, {second_text(texts.negative_prompt_2, negative)});
  result.negative_hidden_states = embedding.hidden_states;
  result.negative_pooled = embedding.pooled;
  return result;
}

namespace {

/// A request on its way from noise to latents.
struct Drawing {
  const DrawRequest* request;
  std::unique_ptr<Scheduler> scheduler;
  at::Generator generator;
  at::Tensor latents;  // [count, C, h, w]
};

/// Consecutive pictures that go through the UNet together; with guidance the negative half is
/// first.
struct Chunk {
  int64_t begin, end;  // of all pictures
  UNetPrompt prompt;   // of as many, or twice as many
};

/// The model's two answers for every picture, [total, C, h, w]; without guidance only the first.
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
  std::vector<at::Tensor> hidden, pooled, ids;
  auto add = [&](bool negative) {
    for (int64_t i = begin; i < end; ++i) {
      const PromptConditioning& from = pictures[i]->conditioning;
      hidden.push_back(negative ? from.negative_hidden_states : from.hidden_states);
      pooled.push_back(negative ? from.negative_pooled : from.pooled);
      at::Tensor row = at::empty({1, 6}, at::kFloat);
      std::memcpy(row.data_ptr<float>(), pictures[i]->time_ids.data(), 6 * sizeof(float));
      ids.push_back(row);
    }
  };
  if (guided) add(true);
  add(false);
  return {begin,
          end,
          {at::cat(hidden).to(options.device, options.dtype),
           at::cat(pooled).to(options.device, options.dtype),
           at::cat(ids).to(options.device),
           {},
           {}}};
}

/// The UNet's call for latents, a timestep and a prompt.
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

/// u + g * (c - u), then the rescaling of Lin et al. 2023, section 3.4.
at::Tensor guide(const at::Tensor& unconditional, const at::Tensor& conditional, double scale,
                 double rescale) {
  at::Tensor guided = unconditional + scale * (conditional - unconditional);
  if (rescale <= 0.0) return guided;
  const std::vector<int64_t> dims = {1, 2, 3};
  at::Tensor ratio = conditional.std(dims, /*unbiased=*/true, /*keepdim=*/true) /
                     guided.std(dims, /*unbiased=*/true, /*keepdim=*/true);
  return rescale * (guided * ratio) + (1.0 - rescale) * guided;
}

}  // namespace

std::vector<at::Tensor> denoise(const UNet2DConditionModel& unet, const SchedulerPlan& plan,
                                const std::vector<DrawRequest>& requests,
                                const DenoiseOptions& options) {
  // 1. Initial latents of each request, and the conditioning of each call of the UNet.
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

  // On the device at once: the loop waits for it nowhere, so that it always has work.
  const at::Tensor timesteps = drawings.front().scheduler->timesteps().to(options.device);
  const int64_t steps = timesteps.size(0);
  if (options.replay != nullptr) options.replay->begin(unet);
  for (int64_t step = 0; step < steps; ++step) {
    // 2. The model's prediction for every picture.
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

    // 3. Guidance and the scheduler's step, each request with its own state and generator.
    int64_t begin = 0;
    for (Drawing& drawing : drawings) {
      const DrawRequest& request = *drawing.request;
      const int64_t end = begin + request.count;
      at::Tensor noise = prediction.conditional.slice(0, begin, end);
      if (guided) {
        noise = guide(prediction.unconditional.slice(0, begin, end), noise, request.guidance_scale,
                      request.guidance_rescale);
      }
      drawing.latents = drawing.scheduler->step(noise, step, drawing.latents, drawing.generator);
      begin = end;
    }
    if (options.on_step) options.on_step(step, steps);
  }

  std::vector<at::Tensor> latents;
  for (Drawing& drawing : drawings) latents.push_back(drawing.latents);
  return latents;
}

namespace {

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
