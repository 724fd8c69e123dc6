#include "training/batch_maker.h"

#include <ATen/core/grad_mode.h>

#include "device/device.h"
#include "device/random.h"
#include "models/autoencoder_kl.h"

namespace sdxl {

BatchMaker::BatchMaker(BatchMakerOptions options, std::shared_ptr<const Dataset> dataset,
                       EncodePictures pictures, EncodeCaptions captions, PromptEmbeds dropped)
    : options_(options),
      dataset_(std::move(dataset)),
      encode_pictures_(std::move(pictures)),
      encode_captions_(std::move(captions)),
      dropped_(std::move(dropped)) {}

TrainingBatch BatchMaker::make(const Batch& batch) const {
  const at::NoGradGuard no_grad;
  TrainingBatch made;
  made.draws = batch.draws;
  for (int64_t row : batch.rows) made.names.push_back(dataset_->name(row));
  made.latents = latents(batch);
  made.time_ids = to_device(batch.time_ids, options_.device);
  made.captions = batch.captions;
  made.caption_dropped = batch.caption_dropped;
  if (options_.embeds_prompts) made.embeds = embeds(batch);
  return made;
}

at::Tensor BatchMaker::latents(const Batch& batch) const {
  const at::Tensor moments =
      batch.moments.defined() ? batch.moments : encode_pictures_(batch.pixels);
  std::vector<int64_t> shape = moments.sizes().slice(1).vec();  // [2 * C, h, w]
  shape[0] /= 2;
  std::vector<at::Tensor> noise;
  for (int64_t draw : batch.draws) {
    at::Generator generator =
        stream_generator(options_.seed, Stream::kPosterior, static_cast<uint64_t>(draw));
    noise.push_back(at::randn(shape, generator, at::kFloat));
  }
  const at::Tensor on_device = to_device(moments, options_.device).to(at::kFloat);
  return sample_posterior(on_device, to_device(at::stack(noise), options_.device)) *
         options_.scaling_factor;  // [B, C, h, w]
}

PromptEmbeds BatchMaker::embeds(const Batch& batch) const {
  PromptEmbeds embeds = batch.embeds;
  if (!embeds.prompt_embeds.defined()) {
    embeds = encode_captions_(batch.captions);
    for (size_t i = 0; i < batch.caption_dropped.size(); ++i) {
      if (!batch.caption_dropped[i]) continue;
      embeds.prompt_embeds[i].copy_(dropped_.prompt_embeds[0]);
      embeds.pooled_prompt_embeds[i].copy_(dropped_.pooled_prompt_embeds[0]);
    }
  }
  return {to_device(embeds.prompt_embeds, options_.device).to(options_.dtype),
          to_device(embeds.pooled_prompt_embeds, options_.device).to(options_.dtype)};
}

}  // namespace sdxl
