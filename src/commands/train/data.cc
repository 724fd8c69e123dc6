#include "commands/train/data.h"

#include <c10/core/GradMode.h>

#include <algorithm>
#include <thread>

#include "base/files.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/text.h"
#include "commands/train/caption_lengths.h"
#include "commands/train/encoder_caches.h"
#include "io/pretrained.h"
#include "io/resize.h"

namespace sdxl {
namespace {

/// ppdiffusers' scripts always resize bilinearly.
std::string interpolation_mode(const TrainConfig& config) {
  return config.compat == "pp" ? "bilinear" : config.image_interpolation_mode;
}

TrainingSet open_set(const TrainingContext& context) {
  const TrainConfig& config = context.config;
  TrainingSetOptions options;
  options.dataset.path = context.inputs.dataset;
  options.dataset.whole_directory = !config.dataset_name.has_value();
  options.dataset.config_name = config.dataset_config_name.value_or("");
  options.dataset.image_column = config.image_column;
  options.dataset.caption_column = config.caption_column;
  options.dataset.max_samples = config.max_train_samples.value_or(-1);
  options.dataset.seed = context.seed;
  options.transform = {config.resolution, config.center_crop, config.random_flip,
                       resize_filter_from_name(interpolation_mode(config))};
  options.seed = context.seed;
  options.proportion_empty_prompts = config.proportion_empty_prompts;
  options.skip_bad_rows = config.on_bad_image == "skip";
  options.bucketing = config.bucketing;
  options.group = config.train_batch_size * context.ranks.size();
  options.threads = std::max(2u, std::thread::hardware_concurrency());
  if (config.cache_latents && !config.dry_run) options.cache_directory = context.cache_directory();
  const auto lengths = std::make_shared<CaptionLengths>(context.pipeline, options.cache_directory);
  options.truncates = [lengths](const std::string& caption, const CacheKey& key) {
    return lengths->exceeds(caption, key);
  };
  TrainingSet set = open_training_set(options);
  if (!set.report.findings.empty() && !config.dry_run) {
    for (const std::string& line : split(set.report.table(), '\n')) log::info(line);
  }
  return set;
}

}  // namespace

TrainingData::TrainingData(const TrainingContext& context)
    : context_(context), set_(first_rank_first(context.ranks, [&] { return open_set(context); })) {}

void TrainingData::prepare(bool text_encoders_train) {
  // 1. Prompts. Filling a cache frees the encoders.
  const bool cached = context_.config.cache_latents;
  if (cached && !text_encoders_train) {
    use_cached_prompts();
  } else {
    load_prompt_encoder();
  }
  if (text_encoders_train) log::info("text encoders train: prompts are encoded at every step");

  // 2. Pictures.
  const fs::path vae = context_.inputs.vae;
  BatchMakerOptions options{context_.seed, context_.device, context_.dtype};
  options.scaling_factor = read_vae_config(vae).scaling_factor;
  options.embeds_prompts = !text_encoders_train;
  EncodePictures encode_pictures;
  if (cached) {
    set_.source->use_latents(EncoderCaches(context_, set_).latents(), set_.pictures,
                             context_.config.cache_crops);
  } else {
    encode_pictures =
        picture_encoder(load_vae(vae, context_.variant(), {context_.device, context_.dtype},
                                 /*with_encoder=*/true, /*with_decoder=*/false),
                        context_.device);
  }

  release_freed_memory();

  // 3. Batches of both.
  maker_ = std::make_shared<BatchMaker>(
      options, set_.dataset, std::move(encode_pictures),
      [encoder = prompt_encoder_](const std::vector<std::string>& captions) {
        return encoder->encode(captions, captions);
      },
      dropped_);
}

void TrainingData::add_validation_prompts(
    const std::function<PromptConditioning(const std::string&)>& encode) {
  for (const std::string& prompt : context_.config.validation_prompt)
    validation_prompts_.push_back({prompt, encode(prompt)});
}

void TrainingData::fill_caches(bool prompts) {
  if (prompts) filled_prompts();
  EncoderCaches(context_, set_).latents();
}

std::shared_ptr<PromptCache> TrainingData::filled_prompts() const {
  std::vector<std::string> texts = context_.config.validation_prompt;
  texts.push_back("");
  return EncoderCaches(context_, set_).prompts(texts);
}

void TrainingData::use_cached_prompts() {
  const std::shared_ptr<PromptCache> cache = filled_prompts();
  const PromptEmbeds empty = cache->embedding(PromptCache::key(""));
  PromptEmbeds absent = empty;
  if (context_.pipeline.force_zeros_for_empty_prompt()) {
    absent = {at::zeros_like(absent.prompt_embeds), at::zeros_like(absent.pooled_prompt_embeds)};
  }
  const auto on_device = [this](const PromptEmbeds& embeds) {
    const auto batch_of_one = [this](const at::Tensor& tensor) {
      return tensor.to(context_.device, context_.dtype).unsqueeze(0);
    };
    return PromptEmbeds{batch_of_one(embeds.prompt_embeds),
                        batch_of_one(embeds.pooled_prompt_embeds)};
  };
  add_validation_prompts([&](const std::string& prompt) -> PromptConditioning {
    return {on_device(cache->embedding(PromptCache::key(prompt))), on_device(absent)};
  });
  // The scripts replace a dropped caption by the encoding of "", even where sampling without a
  // prompt uses zeros.
  set_.source->use_prompts(cache, context_.config.compat == "none" ? absent : empty);
}

void TrainingData::load_prompt_encoder() {
  const c10::NoGradGuard no_grad;
  prompt_encoder_ = std::make_shared<PromptEncoder>(
      context_.pipeline.prompt_encoder({context_.device, context_.dtype}));
  prompt_encoder_->warn_of_cuts(false);  // the check of the data reported them
  const bool zeros = context_.pipeline.force_zeros_for_empty_prompt();
  const PromptConditioning empty =
      encode_prompt(*prompt_encoder_, {""}, zeros && context_.config.compat == "none");
  dropped_ = empty.negative;
  add_validation_prompts(
      [&](const std::string& prompt) { return encode_prompt(*prompt_encoder_, {prompt}, zeros); });
}

std::vector<ValidationPrompt> TrainingData::encode_validation_prompts() const {
  const c10::NoGradGuard no_grad;
  const bool zeros = context_.pipeline.force_zeros_for_empty_prompt();
  std::vector<ValidationPrompt> prompts;
  for (const std::string& prompt : context_.config.validation_prompt) {
    prompts.push_back({prompt, encode_prompt(*prompt_encoder_, {prompt}, zeros)});
  }
  return prompts;
}

BatchSource TrainingData::batches(int64_t first) {
  const TrainConfig& config = context_.config;
  // Reading a cached sample is little work: one thread stays ahead of the trainer.
  const int64_t workers =
      std::max<int64_t>(config.dataloader_num_workers, config.cache_latents ? 1 : 0);
  const int64_t ranks = context_.ranks.size(), group = config.train_batch_size * ranks;
  const BatchPlan plan{config.train_batch_size, ranks, context_.ranks.rank(),
                       (first + group - 1) / group * group};
  loader_ = std::make_shared<Loader>(
      [source = set_.source](int64_t draw) { return source->sample(draw); }, plan, 0, workers);
  return [loader = loader_, maker = maker_]() -> std::optional<TrainingBatch> {
    const std::optional<Batch> batch = loader->next();
    if (!batch) return std::nullopt;
    return maker->make(*batch);
  };
}

std::vector<TrainingBatch> TrainingData::validation_batches(int64_t count) {
  std::vector<TrainingBatch> batches;
  const int64_t size = context_.config.train_batch_size;
  const int64_t end = std::min(count, set_.dataset->size());
  for (int64_t begin = 0; begin < end; begin += size) {
    std::vector<Sample> samples;
    for (int64_t draw = begin; draw < std::min(end, begin + size); ++draw) {
      samples.push_back(set_.source->sample(draw));
    }
    batches.push_back(maker_->make(collate(samples)));
  }
  return batches;
}

}  // namespace sdxl
