#include "commands/train/encoder_caches.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <thread>

#include "base/log.h"
#include "base/text.h"
#include "io/pretrained.h"

namespace sdxl {
namespace {

// Sizes of the encoders' batches. Larger ones are no faster and take more memory.
constexpr int64_t kPixelsOnCpu = int64_t{1} << 20, kPixelsOnDevice = int64_t{1} << 22;
constexpr int64_t kMostPictures = 64;
constexpr int64_t kCaptionsOnCpu = 8, kCaptionsOnDevice = 64;

int64_t pictures_at_once(int64_t resolution, at::Device device) {
  const int64_t pixels = device.is_cpu() ? kPixelsOnCpu : kPixelsOnDevice;
  return std::clamp<int64_t>(pixels / (resolution * resolution), 1, kMostPictures);
}

void log_fill(const char* what, const FillReport& report, const CacheStore& store) {
  log::info(str(what, ": ", report.wanted, " wanted, ", report.encoded, " encoded now; cache ",
                store.directory().string()));
}

}  // namespace

EncodePictures picture_encoder(std::shared_ptr<const AutoencoderKL> vae, at::Device device) {
  return [vae = std::move(vae), device](const at::Tensor& pixels) {
    const at::Tensor weight = *vae->parameters().back().tensor;
    return vae->encode(pixels.to(device, weight.scalar_type()));
  };
}

EncoderCaches::EncoderCaches(const TrainingContext& context, const TrainingSet& set)
    : context_(context), set_(set), identity_(context.cache_directory()) {}

at::ScalarType EncoderCaches::kept_dtype(at::ScalarType encoder) const {
  const std::string name = context_.config.cache_dtype.value_or("");
  if (name.empty()) return encoder;
  return compute_dtype(name == "float32" ? "no" : name);
}

FillOptions EncoderCaches::fill_options(int64_t batch_size) const {
  FillOptions options;
  options.batch_size = batch_size;
  options.ranks = context_.ranks.size();
  options.rank = context_.ranks.rank();
  // Prepares pictures while the encoder works, so that it does not wait for them.
  options.workers = std::max<int64_t>(context_.config.dataloader_num_workers,
                                      std::clamp(std::thread::hardware_concurrency() / 2, 1u, 16u));
  return options;
}

void EncoderCaches::refresh(CacheStore& store) const {
  if (context_.ranks.is_single()) return;
  context_.ranks.barrier();
  store.refresh();
}

std::shared_ptr<PromptCache> EncoderCaches::prompts(const std::vector<std::string>& texts) {
  const at::NoGradGuard no_grad;
  auto cache = std::make_shared<PromptCache>(
      context_.cache_directory(),
      identity_.text_encoders(context_.pipeline, context_.variant(), context_.dtype),
      kept_dtype(context_.dtype));
  std::unique_ptr<PromptEncoder> encoder;
  const EncodeCaptions encode = [&](const std::vector<std::string>& captions) {
    if (!encoder) {
      encoder = std::make_unique<PromptEncoder>(
          context_.pipeline.prompt_encoder({context_.device, context_.dtype}));
      encoder->warn_of_cuts(false);  // the check of the data reported them
    }
    return encoder->encode(captions, captions);
  };
  const FillOptions options =
      fill_options(context_.device.is_cpu() ? kCaptionsOnCpu : kCaptionsOnDevice);
  fill_prompts(*cache, texts, encode, options);
  log_fill("prompts", fill_prompts(*cache, *set_.dataset, *set_.captions, encode, options),
           cache->store());
  refresh(cache->store());
  return cache;
}

std::shared_ptr<LatentCache> EncoderCaches::latents() {
  const at::NoGradGuard no_grad;
  const fs::path directory = context_.inputs.vae;
  const at::ScalarType dtype = vae_dtype(read_vae_config(directory), context_.dtype);
  auto cache = std::make_shared<LatentCache>(
      context_.cache_directory(), identity_.vae(directory, context_.variant(), dtype),
      set_.source->options().transform.filter, kept_dtype(dtype));
  EncodePictures loaded;
  const EncodePictures encode = [&](const at::Tensor& pixels) {
    if (!loaded) {
      loaded = picture_encoder(load_vae(directory, context_.variant(),
                                        {context_.device, context_.dtype}, /*with_encoder=*/true,
                                        /*with_decoder=*/false),
                               context_.device);
    }
    return loaded(pixels);
  };
  const FillOptions options =
      fill_options(pictures_at_once(context_.config.resolution, context_.device));
  log_fill("latents",
           fill_latents(*cache, *set_.source, *set_.pictures, context_.config.cache_crops, encode,
                        options),
           cache->store());
  refresh(cache->store());
  return cache;
}

}  // namespace sdxl
